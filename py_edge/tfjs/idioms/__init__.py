"""Said with core ops: what layers and graph ops have in common, each idiom written once."""
