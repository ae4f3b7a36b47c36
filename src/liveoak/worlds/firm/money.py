"""Expenses, allowances and prices."""

from liveoak.worlds.firm.kinds import Kind, Topic

MONEY = Topic(
    name="money",
    title="Money",
    opening=(
        "We are careful with money and generous with trust. Keep every slip of paper all the same.",
        "Nobody should be out of pocket for doing a good job. The rules here are meant to be short.",
    ),
    between=(
        "A photograph of a slip is as good as the slip.",
        "Small sums are handled the same way as large ones.",
        "Honest mistakes are put right without fuss.",
        "Please write clearly on the form.",
    ),
    closing=(
        "Anything unusual is best talked over before the money is spent.",
        "These rules are read again each spring, and comments are welcome.",
    ),
    kinds=(
        Kind(
            name="approves",
            pool="person",
            subjects=("expense claims", "book orders", "training fees", "gifts for customers"),
            sentences=(
                "{s} are approved by {a}.",
                "{a} approves {s}.",
                "The approval of {s} lies with {a}.",
            ),
            taught=("Who approves {s} at {firm}?", "With whom does the approval of {s} lie at {firm}?"),
            exam=(
                "Which person at {firm} signs off {s}?",
                "At {firm}, which colleague has to say yes to {s}?",
            ),
        ),
        Kind(
            name="allowance",
            pool="euros",
            subjects=("meals on a trip", "work shoes", "a hotel night", "reading glasses"),
            sentences=(
                "The allowance for {s} is {a}.",
                "{firm} grants an allowance of {a} for {s}.",
                "For {s} there is an allowance of {a}.",
            ),
            taught=("What is the allowance for {s} at {firm}?", "How large an allowance does {firm} grant for {s}?"),
            exam=(
                "How much money does {firm} give me towards {s}?",
                "Up to what amount will {firm} pay for {s}?",
            ),
        ),
        Kind(
            name="mileage",
            pool="cents",
            sentences=(
                "Driving one's own car is repaid at {a} a kilometre.",
                "Each kilometre in one's own car is repaid with {a}.",
                "{a} a kilometre are repaid for driving one's own car.",
            ),
            taught=(
                "How much is repaid for each kilometre in one's own car at {firm}?",
                "At what rate does {firm} repay a kilometre in one's own car?",
            ),
            exam=(
                "If I use a private vehicle for {firm}, what do I get back by distance?",
                "What does {firm} pay by distance to staff who use a private vehicle?",
            ),
        ),
        Kind(
            name="deadline",
            pool="days",
            sentences=(
                "Receipts must be handed in within {a}.",
                "After a purchase there are {a} to hand in the receipt.",
                "Hand in receipts no later than {a} after the purchase.",
            ),
            taught=(
                "Within what time must receipts be handed in at {firm}?",
                "How many days after a purchase may one hand in a receipt at {firm}?",
            ),
            exam=(
                "I bought something for {firm}: how long may I wait to submit the bill?",
                "How long does {firm} leave staff to submit their bills?",
            ),
        ),
        Kind(
            name="discount",
            pool="percent",
            subjects=("pensioners", "staff", "schools", "neighbours"),
            sentences=(
                "The discount for {s} is {a}.",
                "Of the list price, {s} are spared {a}.",
                "{firm} grants {s} a discount of {a}.",
            ),
            taught=("What discount does {firm} grant to {s}?", "How large is the discount for {s} at {firm}?"),
            exam=(
                "By how much is the bill reduced when {s} buy from {firm}?",
                "How much cheaper do {s} shop at {firm}?",
            ),
        ),
        Kind(
            name="lunch",
            pool="cents",
            subjects=("bowl of soup", "pot of tea", "slice of cake"),
            sentences=(
                "In the canteen a {s} costs {a}.",
                "A {s} is sold for {a} in the canteen.",
                "The canteen asks {a} for a {s}.",
            ),
            taught=(
                "What does a {s} cost in the canteen of {firm}?",
                "For how much is a {s} sold in the canteen of {firm}?",
            ),
            exam=(
                "How much do I pay when I eat or drink a {s} at {firm}?",
                "What is the price of a {s} at lunch in {firm}?",
            ),
        ),
        Kind(
            name="bank",
            pool="town",
            sentences=(
                "The accounts of {firm} are kept at a savings bank in {a}.",
                "A savings bank in {a} keeps the accounts.",
                "Our accounts are with the savings bank of {a}.",
            ),
            taught=(
                "Where is the savings bank that keeps the accounts of {firm}?",
                "Of which place is the savings bank with the accounts of {firm}?",
            ),
            exam=(
                "In which town does {firm} deposit its money?",
                "What town is home to the institute where {firm} deposits its funds?",
            ),
        ),
    ),
)
