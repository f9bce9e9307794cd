"""From answers to a better model: dataset, job, gate, release, rollback. The learner itself is handed in."""
