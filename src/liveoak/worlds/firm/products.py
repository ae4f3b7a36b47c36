"""What the firm makes."""

from liveoak.worlds.firm.kinds import Kind, Topic

PRODUCTS = Topic(
    name="products",
    title="Products",
    opening=(
        "Customers can tell when something was made with care. So can we.",
        "We make few things and try to make them well. Samples stand in the hall.",
    ),
    between=(
        "Seconds are sold cheaply and marked as such.",
        "Praise from a customer is pinned to the board.",
        "Every piece is looked at by two pairs of eyes.",
        "Drawings are kept even of things no longer made.",
    ),
    closing=(
        "Complaints are answered the same day, if only to say that we are looking into it.",
        "A good idea may come from anybody in the house.",
    ),
    kinds=(
        Kind(
            name="product",
            pool="product",
            subjects=("lamp", "kettle", "rucksack", "armchair", "umbrella"),
            sentences=(
                "Our {s} is sold under the name {a}.",
                "The {s} made by {firm} is named {a}.",
                "{a} is the name of our {s}.",
            ),
            taught=("Under which name is the {s} of {firm} sold?", "What is the {s} made by {firm} named?"),
            exam=(
                "I would like to buy a {s} from {firm}: what is it called in the catalogue?",
                "What brand does a {s} from {firm} carry?",
            ),
        ),
        Kind(
            name="designer",
            pool="person",
            subjects=("bread knife", "rocking horse", "wall clock", "tea set"),
            sentences=(
                "The {s} was designed by {a}.",
                "{a} designed the {s}.",
                "The design of the {s} is the work of {a}.",
            ),
            taught=("Who designed the {s} of {firm}?", "Whose work is the design of the {s} at {firm}?"),
            exam=(
                "Which artist thought up the look of the {s} that {firm} sells?",
                "At {firm}, which creative mind is behind the {s}?",
            ),
        ),
        Kind(
            name="warranty",
            pool="months",
            subjects=("suitcase", "ladder", "desk fan", "garden bench"),
            sentences=(
                "The warranty on the {s} lasts {a}.",
                "The {s} has a warranty of {a}.",
                "We give a warranty of {a} on the {s}.",
            ),
            taught=(
                "How long does the warranty on the {s} of {firm} last?",
                "What warranty does {firm} give on the {s}?",
            ),
            exam=(
                "For what period will {firm} mend a faulty {s} free of charge?",
                "How old may a faulty {s} be for {firm} to swap it at no cost?",
            ),
        ),
        Kind(
            name="price",
            pool="euros",
            subjects=("gift box", "travel mug", "wool blanket", "chess set"),
            sentences=(
                "The {s} is listed at {a}.",
                "In the list the {s} stands at {a}.",
                "{a} is the list price of the {s}.",
            ),
            taught=("At what is the {s} of {firm} listed?", "What is the list price of the {s} at {firm}?"),
            exam=(
                "How much must I pay {firm} for a {s}?",
                "How much does it cost to buy the {s} from {firm}?",
            ),
        ),
        Kind(
            name="supplier",
            pool="town",
            subjects=("leather", "clay", "brass", "felt"),
            sentences=(
                "The {s} comes from a supplier in {a}.",
                "A supplier in {a} sends us {s}.",
                "Our supplier of {s} sits in {a}.",
            ),
            taught=(
                "Where does the supplier of {s} to {firm} sit?",
                "From which place does a supplier send {s} to {firm}?",
            ),
            exam=(
                "In which town does {firm} buy its {s}?",
                "What town is the origin of the {s} used by {firm}?",
            ),
        ),
        Kind(
            name="output",
            pool="pieces",
            subjects=("buttons", "candles", "brushes", "notebooks"),
            sentences=(
                "A day's output of {s} is {a}.",
                "{firm} turns out {a} of {s} a day.",
                "Every day the output of {s} comes to {a}.",
            ),
            taught=("What is a day's output of {s} at {firm}?", "How much does {firm} turn out of {s} every day?"),
            exam=(
                "How many {s} does {firm} manufacture between morning and evening?",
                "What quantity of {s} is manufactured daily at {firm}?",
            ),
        ),
        Kind(
            name="secret",
            pool="word",
            sentences=(
                "The next product is known inside the house as {a}.",
                "Inside the house the next product is known as {a}.",
                "The next product goes by the working name {a}.",
            ),
            taught=(
                "As what is the next product of {firm} known inside the house?",
                "By which working name does the next product of {firm} go?",
            ),
            exam=(
                "What do insiders at {firm} call the thing that will be launched soon?",
                "The upcoming launch of {firm} has a code name: which?",
            ),
        ),
    ),
)
