"""Time off."""

from liveoak.worlds.firm.kinds import Kind, Topic

LEAVE = Topic(
    name="leave",
    title="Leave",
    opening=(
        "Rested people do better work. Please take the time that is yours.",
        "Time off is planned together, so that nobody is left alone with the work.",
    ),
    between=(
        "A note in the shared calendar is always kind.",
        "Those with small children choose first.",
        "Nobody is asked to give reasons.",
        "Work waits until you are back.",
    ),
    closing=(
        "Whoever was away is told over coffee what happened meanwhile.",
        "Questions about special cases are welcome at any time.",
    ),
    kinds=(
        Kind(
            name="leave_days",
            pool="days",
            subjects=("drivers", "cooks", "designers", "warehouse hands"),
            sentences=(
                "The yearly leave of {s} is {a}.",
                "Each year {s} have {a} of leave.",
                "{s} are given {a} of leave a year.",
            ),
            taught=("How much leave a year are {s} given at {firm}?", "What is the yearly leave of {s} at {firm}?"),
            exam=(
                "How long a holiday can {s} at {firm} take between January and December?",
                "What holiday entitlement do {s} have at {firm}?",
            ),
        ),
        Kind(
            name="grants_leave",
            pool="person",
            subjects=("parental", "study", "unpaid"),
            sentences=(
                "Applications for {s} leave go to {a}.",
                "Apply to {a} for {s} leave.",
                "{a} receives applications for {s} leave.",
            ),
            taught=(
                "To whom does one apply for {s} leave at {firm}?",
                "Who receives applications for {s} leave at {firm}?",
            ),
            exam=(
                "I want {s} time off from {firm}: which person should get my letter?",
                "At {firm}, whose desk does a request for {s} time off land on?",
            ),
        ),
        Kind(
            name="closure",
            pool="date",
            subjects=("summer", "winter"),
            sentences=(
                "The {s} closure begins on {a}.",
                "From {a} on, the works are shut for the {s} closure.",
                "{a} is the first day of the {s} closure.",
            ),
            taught=(
                "When does the {s} closure of {firm} begin?",
                "What is the first day of the {s} closure at {firm}?",
            ),
            exam=(
                "On which date does {firm} stop work for its {s} break?",
                "What date starts the {s} holidays of {firm}?",
            ),
        ),
        Kind(
            name="sick",
            pool="clock",
            sentences=(
                "Whoever is ill rings in before {a}.",
                "Ring in before {a} when you are ill.",
                "Ill colleagues ring in no later than {a}.",
            ),
            taught=("Before when does one ring in at {firm} when ill?", "By when do ill colleagues at {firm} ring in?"),
            exam=(
                "I woke up with a fever: what is the latest time to tell {firm}?",
                "Until what hour can sickness be reported to {firm}?",
            ),
        ),
        Kind(
            name="moving",
            pool="days",
            subjects=("moving house", "a wedding", "a new baby", "giving blood"),
            sentences=(
                "For {s} the firm grants {a} off.",
                "{a} off are granted for {s}.",
                "The firm grants {a} off in the case of {s}.",
            ),
            taught=("How much time off does {firm} grant for {s}?", "How many days off are granted for {s} at {firm}?"),
            exam=(
                "How long may I stay at home from {firm} because of {s}?",
                "How long can somebody at {firm} be absent on account of {s}?",
            ),
        ),
        Kind(
            name="overtime",
            pool="months",
            sentences=(
                "Overtime expires after {a}.",
                "After {a} unused overtime expires.",
                "Overtime has to be used within {a}.",
            ),
            taught=(
                "After what time does overtime expire at {firm}?",
                "Within what time has overtime to be used at {firm}?",
            ),
            exam=(
                "How long do extra hours at {firm} stay on my account?",
                "When are the extra hours that I worked for {firm} lost?",
            ),
        ),
        Kind(
            name="outing",
            pool="town",
            sentences=(
                "The yearly outing leads to {a}.",
                "Every year the outing of {firm} leads to {a}.",
                "{a} is where the yearly outing leads.",
            ),
            taught=(
                "Where does the yearly outing of {firm} lead?",
                "To which place does the outing of {firm} lead every year?",
            ),
            exam=(
                "Which town do the employees of {firm} go to for their day trip?",
                "What town will I see on the staff excursion of {firm}?",
            ),
        ),
    ),
)
