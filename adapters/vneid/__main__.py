"""`python -m adapters.vneid --listen 127.0.10.120:8640`"""

from adapters.sdk.server import serve_app_from_command_line
from adapters.vneid.service import build_vneid, load_citizens, load_officers

serve_app_from_command_line(
    "vneid",
    lambda address: build_vneid(f"http://{address}", load_citizens(), load_officers()),
    listen="127.0.10.120:8640",
)
