"""Gate of the abandoned carts: nobody who is still shopping is reminded of the cart."""

from expectations.audiences._members import OWN_ADDRESS, PROFILES, members

EXPECTATIONS = [
    OWN_ADDRESS,
    members("every member's cart is abandoned", "known.cart_state <> 'abandoned'", of=PROFILES),
]
