"""Draw specifications of charts, in a process of its own, which imports nothing else of the program."""
