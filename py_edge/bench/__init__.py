"""`py-edge bench`: ours against TF.js, onnxruntime-web and LiteRT.js in one browser, and natively; works in a checkout.

Read suite.py (what is measured), session.py (how), report.py (what is told). pages/ holds the JavaScript side.
"""
