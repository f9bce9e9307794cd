"""The static site: what it is made of (lock), where the bytes come from (sources), how it is laid out (collect)."""
