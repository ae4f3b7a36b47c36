"""Who is who."""

from liveoak.worlds.firm.kinds import Kind, Topic

PEOPLE = Topic(
    name="people",
    title="People",
    opening=(
        "Most questions are settled fastest by walking over and asking somebody. This part tells whom to walk to.",
        "Nobody has to know everybody by name in the first week. The people below come up again and again, though.",
    ),
    between=(
        "A short word in the corridor is often enough.",
        "Nobody minds being asked twice.",
        "Titles matter less here than knowing one another.",
        "Please be patient when somebody is busy.",
    ),
    closing=(
        "Whoever moves to another post stays a colleague, and old friends are still greeted on the stairs.",
        "When in doubt, ask the colleague next to you, who has been new as well.",
    ),
    kinds=(
        Kind(
            name="head",
            pool="person",
            subjects=("dye works", "packing hall", "mail room", "tool store", "sales desk", "drawing office"),
            sentences=(
                "The {s} is headed by {a}.",
                "{a} is the head of the {s}.",
                "Work in the {s} is led by {a}.",
            ),
            taught=("Who is the head of the {s} at {firm}?", "Who leads the {s} of {firm}?"),
            exam=(
                "At {firm}, which person is the boss in the {s}?",
                "Which manager do people in the {s} of {firm} report to?",
            ),
        ),
        Kind(
            name="wages",
            pool="person",
            sentences=(
                "Wages are worked out every month by {a}.",
                "{a} works out the wages of the whole staff.",
                "The wages are in the hands of {a}.",
            ),
            taught=("Who works out the wages at {firm}?", "In whose hands are the wages at {firm}?"),
            exam=(
                "Which colleague at {firm} should I see if my pay slip looks wrong?",
                "Whom do I ask at {firm} when my salary has not arrived?",
            ),
        ),
        Kind(
            name="deputy",
            pool="person",
            sentences=(
                "While the director is travelling, {a} decides in her place.",
                "The director's deputy is {a}.",
                "{a} acts as deputy for the director of {firm}.",
            ),
            taught=(
                "Who is the deputy of the director of {firm}?",
                "Who decides at {firm} while the director is travelling?",
            ),
            exam=(
                "If the top manager of {firm} is ill, which person stands in?",
                "Which person takes over at {firm} when the chief executive is absent?",
            ),
        ),
        Kind(
            name="apprentices",
            pool="person",
            subjects=("weavers", "turners", "glaziers", "bookbinders"),
            sentences=(
                "Apprentice {s} are trained by {a}.",
                "{a} trains the apprentice {s}.",
                "The training of apprentice {s} lies with {a}.",
            ),
            taught=("Who trains the apprentice {s} at {firm}?", "With whom does the training of {s} lie at {firm}?"),
            exam=(
                "At {firm}, which teacher do young {s} learn the craft from?",
                "Which instructor shows beginners among the {s} of {firm} how the job is done?",
            ),
        ),
        Kind(
            name="extension",
            pool="extension",
            subjects=("front desk", "night porter", "canteen", "drivers' room"),
            sentences=(
                "The {s} is reached on extension {a}.",
                "Dial {a} for the {s}.",
                "The extension of the {s} is {a}.",
            ),
            taught=("What is the extension of the {s} at {firm}?", "What do I dial for the {s} of {firm}?"),
            exam=(
                "Which phone number gets me through to the {s} at {firm}?",
                "I want to call the {s} of {firm}: what number is it?",
            ),
        ),
        Kind(
            name="speaker",
            pool="person",
            sentences=(
                "The staff have elected {a} as their speaker.",
                "The elected speaker of the staff is {a}.",
                "{a} is the speaker whom the staff elected.",
            ),
            taught=(
                "Who is the elected speaker of the staff of {firm}?",
                "Whom did the staff of {firm} elect as speaker?",
            ),
            exam=(
                "Which person represents the employees of {firm} in talks with the management?",
                "At {firm}, which colleague did the workers vote for to defend their interests?",
            ),
        ),
        Kind(
            name="dog",
            pool="animal",
            sentences=(
                "The watchdog at the gate is called {a}.",
                "Everybody greets {a}, the watchdog.",
                "The watchdog of {firm} answers to the name {a}.",
            ),
            taught=("What is the watchdog of {firm} called?", "To which name does the watchdog of {firm} answer?"),
            exam=(
                "How do people at {firm} address the animal that guards the entrance?",
                "Tell me the name of the pet that guards the premises of {firm}.",
            ),
        ),
    ),
)
