print("fpdm")
