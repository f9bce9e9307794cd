"""TensorFlow's graph ops, family by family as the converter's op list has them; each lowers to core ops."""
