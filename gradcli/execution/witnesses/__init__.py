"""Third opinions on a gradient: difference quotients, the Taylor test, 50 digits, another precision."""
