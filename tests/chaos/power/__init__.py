"""Power cuts: a run of real processes is recorded, and every disk that a cut could have left is built and started.

Reading order: recording (what was done, in order) → disk (what of it a disk may hold) → story (the run) → promises
(what had been acknowledged) → look (what the next start finds).
"""
