"""python -m gateway"""

from gateway.app.cli import main

main()
