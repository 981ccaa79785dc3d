"""Read tables from strangers' bytes: one module per format, a process with limits in which risky ones are parsed.

``recognise`` tells formats apart by content; ``plain_csv`` reads the usual CSV in a fraction of a second in this
process; ``limited`` hands everything else to a process that may use little memory and time (``process``), where
``parse`` chooses among ``exact_csv``, ``ndjson``, ``columnar``, ``labelled`` and ``spreadsheet``.
"""
