"""``python -m services.planning``."""

from services.planning.job import main

if __name__ == "__main__":
    main()
