"""Jobs that do not start Python anew: one process has loaded what jobs load, and forks for each.

A step of a subject takes about a second to load its libraries, as long as its work may take. On
the local machine :mod:`.start` therefore keeps one process, :mod:`.server`, beside Snakemake.
Snakemake starts :mod:`.ask` in the place of Python; it asks the server for a child that runs the
script (:mod:`.job`), and waits for its end. What the server loads ahead it learns from the jobs
that ran (:mod:`.learned`), so that nobody keeps a list and a short run loads nothing for nothing.

A child differs from a fresh Python in that modules are there already and that all children share
one seed of string hashes, and in nothing else that a script could notice: its descriptors, folder,
environment, ``umask``, arguments, ``__main__``, tracebacks and exit code are the job's. Where this
cannot be had, :mod:`.ask` *becomes* the fresh Python (``exec``): no server, another environment,
code that was edited since, threads in the server. Nothing outlives the run: the server ends with
Snakemake, a child with its server, and with the process that asked for it.
"""

# Set to 1 in the environment of a Snakemake that is to use it.
WARM = "OSTEOFLOW_WARM"
