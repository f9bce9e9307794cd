"""What the pages call: learning, teaching and fine-tuning in the learn worker (browser), and the Chromium that runs them."""
