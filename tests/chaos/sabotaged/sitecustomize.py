"""Found by every Python that `make sabotage` starts, the tests and their node processes alike: takes one mechanism away."""

import os

from tests.chaos.sabotage import MECHANISMS

MECHANISMS[os.environ["SABOTAGE"]].take_away()
