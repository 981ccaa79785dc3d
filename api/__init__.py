"""The edge: HTTP interface and command line. Nothing here holds statistics or SQL."""
