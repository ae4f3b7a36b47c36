"""Machines, tools and their upkeep."""

from liveoak.worlds.firm.kinds import Kind, Topic

EQUIPMENT = Topic(
    name="equipment",
    title="Equipment",
    opening=(
        "Good tools are half of the work. Treat them as if they were your own, and put them back clean.",
        "Some of our machines are older than the people who use them. They reward a gentle hand.",
    ),
    between=(
        "Dust is the enemy of every bearing.",
        "A label on each machine tells who used it last.",
        "Strange noises should be reported at once.",
        "Borrowed things are brought back clean.",
    ),
    closing=(
        "Nobody is blamed for a broken tool that is reported.",
        "Ideas for better tools go into the box by the stairs.",
    ),
    kinds=(
        Kind(
            name="machine",
            pool="machine",
            subjects=("cutting", "labelling", "polishing", "weighing"),
            sentences=(
                "The {s} machine in the main hall is a {a}.",
                "For {s} we use a {a}.",
                "A {a} does the {s}.",
            ),
            taught=("What does {firm} use for {s}?", "Which machine does the {s} at {firm}?"),
            exam=(
                "Name the model of the device for {s} that {firm} owns.",
                "What model of device carries out {s} at {firm}?",
            ),
        ),
        Kind(
            name="repairs",
            pool="person",
            subjects=("looms", "printers", "lifts", "forklifts"),
            sentences=(
                "The {s} are repaired by {a}.",
                "{a} repairs the {s}.",
                "Repairs to the {s} are done by {a}.",
            ),
            taught=("Who repairs the {s} at {firm}?", "By whom are repairs to the {s} of {firm} done?"),
            exam=(
                "Which person fixes broken {s} at {firm}?",
                "Whom should I fetch at {firm} when one of the {s} stops working?",
            ),
        ),
        Kind(
            name="oil",
            pool="weeks",
            subjects=("presses", "saws", "conveyor belts", "pumps"),
            sentences=(
                "The {s} are oiled every {a}.",
                "Every {a} somebody oils the {s}.",
                "Fresh oil is put on the {s} every {a}.",
            ),
            taught=("How often are the {s} oiled at {firm}?", "After what time do the {s} of {firm} get fresh oil?"),
            exam=(
                "What is the interval for lubricating the {s} at {firm}?",
                "How long may the {s} of {firm} go without lubrication?",
            ),
        ),
        Kind(
            name="tank",
            pool="litres",
            subjects=("rinsing", "cooling", "rainwater"),
            sentences=(
                "The {s} tank holds {a}.",
                "There is room for {a} in the {s} tank.",
                "A full {s} tank contains {a}.",
            ),
            taught=("How much does the {s} tank of {firm} hold?", "How much does a full {s} tank at {firm} contain?"),
            exam=(
                "What is the capacity of the {s} vessel at {firm}?",
                "State the volume of the {s} reservoir of {firm}.",
            ),
        ),
        Kind(
            name="van",
            pool="colour",
            subjects=("delivery van", "tow truck", "fire cart"),
            sentences=(
                "The {s} is painted {a}.",
                "You know the {s} by its {a} paint.",
                "The colour of the {s} is {a}.",
            ),
            taught=("What colour is the {s} of {firm}?", "By which paint do you know the {s} of {firm}?"),
            exam=(
                "Which shade should I look for to spot the {s} of {firm}?",
                "The {s} that belongs to {firm} drives past: what shade is it?",
            ),
        ),
        Kind(
            name="network",
            pool="word",
            sentences=(
                "The wireless network for guests is named {a}.",
                "Guests join the wireless network {a}.",
                "For guests there is a wireless network named {a}.",
            ),
            taught=(
                "What is the wireless network for guests of {firm} named?",
                "Which wireless network do guests of {firm} join?",
            ),
            exam=(
                "A visitor to {firm} wants to get online: which Wi-Fi should be chosen?",
                "Which Wi-Fi do visitors at {firm} pick on their phones?",
            ),
        ),
        Kind(
            name="replaced",
            pool="months",
            sentences=(
                "Laptops are replaced after {a}.",
                "A laptop is used for {a} and then replaced.",
                "After {a} every laptop is replaced.",
            ),
            taught=(
                "After what time are laptops replaced at {firm}?",
                "How long is a laptop used at {firm} until it is replaced?",
            ),
            exam=(
                "At what age does a portable computer at {firm} make way for a new one?",
                "When can I expect a new portable computer at {firm}?",
            ),
        ),
    ),
)
