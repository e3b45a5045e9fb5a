"""Settings of the whole suite."""

import os

# The suite runs in as many processes as there are processors: threads that wait for
# work would only take them from each other. A value from outside wins.
for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(name, "1")
