"""Where facts are kept: four ports (Store, JobQueue, BlobStore, EventBus) and their bodies."""
