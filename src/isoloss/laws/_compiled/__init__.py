"""NumPy code of the library's laws, made from their formulas by `make laws`; not edited by hand.

One module a law: `value`, `jacobian`, and what the formula says of its parameters. A fit by name
thus imports no SymPy, and a test holds every module equal to its formula.
"""
