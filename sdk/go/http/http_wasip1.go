package http

import _ "millstream.dev/sdk/internal/wit/web" // How requests are sent.
