"""Alarms, limits and first aid."""

from liveoak.worlds.firm.kinds import Kind, Topic

SAFETY = Topic(
    name="safety",
    title="Safety",
    opening=(
        "Nothing that we make is worth an injury. Anybody may stop any machine at any time.",
        "Please read this part twice. It is the one that we hope never to need.",
    ),
    between=(
        "Running on the stairs helps nobody.",
        "Gloves hang beside each machine.",
        "A near miss is reported like an accident.",
        "Look after visitors, who do not know the house.",
    ),
    closing=(
        "Whoever points out a danger is thanked, not scolded.",
        "Drills are announced, so nobody needs to be frightened.",
    ),
    kinds=(
        Kind(
            name="assembly",
            pool="street",
            sentences=(
                "In a fire everybody assembles on {a}.",
                "The assembly point in a fire is on {a}.",
                "On {a} lies the assembly point for fires.",
            ),
            taught=(
                "Where is the assembly point of {firm} in a fire?",
                "Where does everybody at {firm} assemble in a fire?",
            ),
            exam=(
                "When {firm} is evacuated, which road should people wait in?",
                "The building of {firm} is burning: to what road do I go?",
            ),
        ),
        Kind(
            name="first_aid",
            pool="person",
            subjects=("day shift", "night shift", "weekend shift"),
            sentences=(
                "First aid on the {s} is given by {a}.",
                "{a} gives first aid on the {s}.",
                "On the {s}, turn to {a} for first aid.",
            ),
            taught=(
                "Who gives first aid on the {s} of {firm}?",
                "To whom does one turn for first aid on the {s} at {firm}?",
            ),
            exam=(
                "Somebody is hurt during the {s} at {firm}: which colleague can bandage the wound?",
                "Which person looks after an injured worker on the {s} of {firm}?",
            ),
        ),
        Kind(
            name="speed",
            pool="kilometres",
            sentences=(
                "Vehicles in the yard keep to {a} an hour.",
                "The speed limit in the yard is {a} an hour.",
                "More than {a} an hour is forbidden to vehicles in the yard.",
            ),
            taught=(
                "What is the speed limit in the yard of {firm}?",
                "To what speed do vehicles keep in the yard of {firm}?",
            ),
            exam=(
                "How fast may I drive on the grounds of {firm}?",
                "How fast is a driver allowed to go at {firm}?",
            ),
        ),
        Kind(
            name="helmet",
            pool="colour",
            subjects=("visitors", "electricians", "crane drivers", "trainees"),
            sentences=(
                "{s} wear a {a} helmet.",
                "The helmets of {s} are {a}.",
                "A {a} helmet is worn by {s}.",
            ),
            taught=("What colour are the helmets of {s} at {firm}?", "Which helmet is worn by {s} at {firm}?"),
            exam=(
                "Which shade of hard hat tells you that people are {s} at {firm}?",
                "What shade of hard hat do I hand to {s} of {firm}?",
            ),
        ),
        Kind(
            name="load",
            pool="kilograms",
            subjects=("goods lift", "loading ramp", "gallery", "old crane"),
            sentences=(
                "The {s} carries at most {a}.",
                "No more than {a} may be put on the {s}.",
                "The load limit of the {s} is {a}.",
            ),
            taught=("What is the load limit of the {s} at {firm}?", "How much may be put on the {s} of {firm}?"),
            exam=(
                "What is the heaviest weight that the {s} at {firm} can take?",
                "How heavy can cargo be for the {s} of {firm}?",
            ),
        ),
        Kind(
            name="kiln",
            pool="degrees",
            subjects=("drying oven", "varnish store", "wax bath"),
            sentences=(
                "The {s} must not get hotter than {a}.",
                "An alarm rings when the {s} is hotter than {a}.",
                "{a} is the most heat allowed in the {s}.",
            ),
            taught=("How hot may the {s} of {firm} get?", "How much heat is allowed in the {s} of {firm}?"),
            exam=(
                "What is the highest safe temperature of the {s} at {firm}?",
                "Above which temperature does the {s} of {firm} become a risk?",
            ),
        ),
        Kind(
            name="drill",
            pool="date",
            sentences=(
                "The yearly fire drill takes place on {a}.",
                "On {a} there is a fire drill every year.",
                "{a} is the day of the yearly fire drill.",
            ),
            taught=(
                "On which day is the yearly fire drill of {firm}?",
                "When does the fire drill of {firm} take place?",
            ),
            exam=(
                "On what date does {firm} practise leaving the building in an emergency?",
                "What is the date when {firm} rehearses an evacuation?",
            ),
        ),
    ),
)
