"""placeholder until the colleague's file lands"""
def model_card(**k): return "card\n"
