"""temporary"""

import logging


def configure_logging(level=logging.INFO):
    logging.basicConfig(level=level, format="%(asctime)s %(process)d %(message)s")
