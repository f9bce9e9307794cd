"""The only door to the platform: what a program needs of it (protocol), natively (native) and in a page (browser)."""
