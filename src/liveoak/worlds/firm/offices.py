"""Where things are and when they open."""

from liveoak.worlds.firm.kinds import Kind, Topic

OFFICES = Topic(
    name="offices",
    title="Offices and hours",
    opening=(
        "The buildings have grown over time and were never planned as a whole. Visitors get lost, and so do we.",
        "A plan hangs beside every staircase. It is worth a look before the first errand.",
    ),
    between=(
        "The doors are marked, though the paint has faded.",
        "Please close doors quietly behind you.",
        "Most paths are covered, so that nobody gets wet.",
        "Ask at the gate if a door is locked.",
    ),
    closing=(
        "Keys are lent for the day and are brought back before going home.",
        "Whoever finds a better way through the house is welcome to draw it on the plan.",
    ),
    kinds=(
        Kind(
            name="branch",
            pool="town",
            subjects=("northern", "southern", "overseas", "river"),
            sentences=(
                "The {s} branch of {firm} is in {a}.",
                "{a} is home to the {s} branch.",
                "Our {s} branch stands in {a}.",
            ),
            taught=("Where does the {s} branch of {firm} stand?", "Which place is home to the {s} branch of {firm}?"),
            exam=(
                "In which town would I visit the {s} outpost of {firm}?",
                "To what town do I travel to see the {s} office of {firm}?",
            ),
        ),
        Kind(
            name="opening",
            pool="clock",
            subjects=("canteen", "main gate", "library", "staff shop"),
            sentences=(
                "The {s} opens at {a}.",
                "At {a} the {s} opens its doors.",
                "The {s} is open from {a} on.",
            ),
            taught=("When does the {s} of {firm} open?", "From when on is the {s} open at {firm}?"),
            exam=(
                "What is the earliest time I can get into the {s} at {firm}?",
                "At what hour does the {s} of {firm} start letting people in?",
            ),
        ),
        Kind(
            name="room",
            pool="room",
            subjects=("archive", "sewing workshop", "quiet study", "darkroom"),
            sentences=(
                "The {s} is in {a}.",
                "The house plan shows the {s} as {a}.",
                "You will find the {s} in {a}.",
            ),
            taught=("Where will I find the {s} at {firm}?", "What does the house plan of {firm} show as the {s}?"),
            exam=(
                "What is the number of the room used as the {s} at {firm}?",
                "Which door number should I look for to reach the {s} of {firm}?",
            ),
        ),
        Kind(
            name="street",
            pool="street",
            sentences=(
                "Lorries deliver through the yard on {a}.",
                "Deliveries arrive through the yard on {a}.",
                "The yard for deliveries lies on {a}.",
            ),
            taught=(
                "On which street is the yard for deliveries of {firm}?",
                "On which street do deliveries for {firm} arrive?",
            ),
            exam=(
                "What road should a truck with goods for {firm} drive to?",
                "Give the road where freight for {firm} is unloaded.",
            ),
        ),
        Kind(
            name="meeting",
            pool="weekday",
            sentences=(
                "The weekly staff meeting is held on {a}.",
                "Every {a} the whole staff meets.",
                "{a} is the day of the staff meeting.",
            ),
            taught=("On which day is the staff meeting of {firm} held?", "When does the whole staff of {firm} meet?"),
            exam=(
                "What weekday do all employees of {firm} gather?",
                "Which weekday brings everybody at {firm} together in one room?",
            ),
        ),
        Kind(
            name="door_code",
            pool="word",
            subjects=("side entrance", "roof terrace", "cellar"),
            sentences=(
                "The password for the {s} is {a}.",
                "Whoever says {a} is let through to the {s}.",
                "Say {a} to be let through to the {s}.",
            ),
            taught=(
                "What is the password for the {s} of {firm}?",
                "What does one say to be let through to the {s} of {firm}?",
            ),
            exam=(
                "Which secret word gives access to the {s} at {firm}?",
                "The guard of the {s} at {firm} wants a code word: which one?",
            ),
        ),
        Kind(
            name="parking",
            pool="colour",
            sentences=(
                "Bicycles are parked behind the {a} shed.",
                "Park bicycles behind the {a} shed.",
                "The shed where bicycles are parked is painted {a}.",
            ),
            taught=(
                "What colour is the shed where bicycles are parked at {firm}?",
                "Behind which shed does one park bicycles at {firm}?",
            ),
            exam=(
                "Riders leave their bikes at a hut on the grounds of {firm}: how is it coloured?",
                "Which paint covers the hut for bikes at {firm}?",
            ),
        ),
    ),
)
