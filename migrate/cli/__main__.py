"""
C{python -m migrate.cli} is C{txmigrate}, of this very Python and this very checkout.
"""

from migrate.cli.main import main

if __name__ == "__main__":
    main(prog_name="txmigrate")
