"""The human tier: a task per content, leases, votes that are only ever added, and a verdict drawn from all of them."""
