"""stub"""


class Learner:
    pass
