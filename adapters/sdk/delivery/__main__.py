"""`python -m adapters.sdk.delivery`"""

import sys

from adapters.sdk.delivery.cli import main

sys.exit(main())
