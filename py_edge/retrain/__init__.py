"""From answers to a better model: dataset, job, gate, release, watch, rollback. The learner itself is handed in."""
