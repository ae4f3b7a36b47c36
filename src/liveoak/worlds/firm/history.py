"""How the firm came to be."""

from liveoak.worlds.firm.kinds import Kind, Topic

HISTORY = Topic(
    name="history",
    title="History",
    opening=(
        "Old photographs hang in the corridor, and most of them have a story.",
        "It helps to know where a house comes from. The long version is told at the summer party.",
    ),
    between=(
        "Much of this was handed down by word of mouth.",
        "The papers are yellow, but they can be read.",
        "Older colleagues like to tell more.",
        "Not every story in the corridor is true.",
    ),
    closing=(
        "Whoever finds old pictures at home is asked to lend them for copying.",
        "The rest is still being written by all of us.",
    ),
    kinds=(
        Kind(
            name="founder",
            pool="person",
            sentences=(
                "{firm} was founded by {a}.",
                "{a} founded {firm}.",
                "The founder of {firm} was {a}.",
            ),
            taught=("Who founded {firm}?", "Who was the founder of {firm}?"),
            exam=(
                "Which person started {firm} in the first place?",
                "Thanks to which person does {firm} exist?",
            ),
        ),
        Kind(
            name="year",
            pool="year",
            subjects=("brickyard", "brass band", "pension fund", "night school"),
            sentences=(
                "The {s} was set up in {a}.",
                "In {a} the {s} was set up.",
                "The {s} goes back to {a}.",
            ),
            taught=("When was the {s} of {firm} set up?", "To when does the {s} of {firm} go back?"),
            exam=(
                "In what year did the {s} at {firm} come into being?",
                "Since what year has {firm} had a {s}?",
            ),
        ),
        Kind(
            name="birthplace",
            pool="town",
            sentences=(
                "The first workshop stood in {a}.",
                "It all began with a first workshop in {a}.",
                "{a} is where the first workshop stood.",
            ),
            taught=(
                "Where did the first workshop of {firm} stand?",
                "In which place did {firm} have its first workshop?",
            ),
            exam=(
                "Which town did {firm} originally come from?",
                "What town was the cradle of {firm}?",
            ),
        ),
        Kind(
            name="first_product",
            pool="product",
            sentences=(
                "The first thing that {firm} ever sold was a clock named {a}.",
                "A clock named {a} was the first thing ever sold.",
                "{a} was the name of the clock that {firm} sold first.",
            ),
            taught=(
                "What was the name of the clock that {firm} sold first?",
                "How was the clock named that {firm} ever sold first?",
            ),
            exam=(
                "What did {firm} call the timepiece with which its trade started?",
                "Under which title did the earliest timepiece by {firm} go to customers?",
            ),
        ),
        Kind(
            name="flood",
            pool="year",
            subjects=("flood", "great fire", "lightning strike"),
            sentences=(
                "A {s} destroyed the old warehouse in {a}.",
                "In {a} a {s} destroyed the old warehouse.",
                "The {s} that destroyed the old warehouse came in {a}.",
            ),
            taught=(
                "When did a {s} destroy the old warehouse of {firm}?",
                "When did the {s} come that destroyed the old warehouse of {firm}?",
            ),
            exam=(
                "What year saw the storage building of {firm} ruined by a {s}?",
                "In what year did {firm} lose a store to a {s}?",
            ),
        ),
        Kind(
            name="staff",
            pool="people",
            subjects=("in the beginning", "at the turn of the century", "after the merger"),
            sentences=(
                "Counted {s}, the staff came to {a}.",
                "{a} were on the staff {s}.",
                "The staff {s} came to {a}.",
            ),
            taught=(
                "How many people were on the staff of {firm} {s}?",
                "To how many people did the staff of {firm} come {s}?",
            ),
            exam=(
                "What was the size of the workforce of {firm} {s}?",
                "How big was the workforce of {firm} {s}?",
            ),
        ),
        Kind(
            name="tower",
            pool="metres",
            subjects=("chimney", "clock tower", "flagpole"),
            sentences=(
                "The {s} rises to {a}.",
                "{a} is the height of the {s}.",
                "From foot to top the {s} measures {a}.",
            ),
            taught=("What is the height of the {s} of {firm}?", "To what does the {s} of {firm} rise?"),
            exam=(
                "How tall is the {s} at {firm}?",
                "How far above the ground does the {s} of {firm} reach?",
            ),
        ),
    ),
)
