"""Every layer class that TF.js, tf_keras 2.19 and Keras 3.15 know by name, each with who knows it.

usage: python make_names.py NODE_MODULES > layer_list.txt     (environment: see converter.py; NODE_MODULES holds TF.js 4.22)
"""

import subprocess
import sys

from converter import load

REGISTRY = """
const tf = require(process.argv[1] + "/@tensorflow/tfjs");
const map = tf.serialization.SerializationMap.getMap().classNameMap;
console.log(Object.keys(map).filter((n) => map[n][0].prototype instanceof tf.layers.Layer).join(" "));
"""
ABSTRACT = {"Layer", "Wrapper", "AbstractRNNCell"}

if __name__ == "__main__":
    _, k3, k2, _ = load()
    done = subprocess.run(["node", "-e", REGISTRY, sys.argv[1]], capture_output=True, text=True, check=True)
    names = {name: ["tfjs"] for name in done.stdout.split()}
    for label, keras in (("keras2", k2), ("keras3", k3)):
        classes = {
            v
            for v in vars(keras.layers).values()
            if isinstance(v, type) and issubclass(v, keras.layers.Layer)
        }
        for name in {c.__name__ for c in classes} - ABSTRACT:
            names.setdefault(name, []).append(label)
    print(*(f"{name} {' '.join(who)}" for name, who in sorted(names.items())), sep="\n")
