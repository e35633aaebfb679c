"""Third opinions on a gradient: difference quotients, the Taylor test, 50 digits, a different precision.

- A module for each witness, which holds the class that its row in gradcli.witnesses names: `finite_differences`,
  `taylor`, `adjoint`, `second_order`.
- What they use: `question` (what a witness is asked, and the protocol of its class), `line`, `quotients`, `agreement`,
  `generalised`, `joint`, `grain` and `jumps`.
- How far rounding on the way moves what they measure: `noise`.
- Who asks them, and what follows: `numerical_verdict`, `consensus`, `bends`, `claims_at_kinks`, `rows` and `elsewhere`.
- What settles a mismatch: `high_precision`, `other_dtype` and `in_double`. What `eval` says of code at a tie: `ties`.
"""
