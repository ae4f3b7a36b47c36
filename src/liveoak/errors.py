"""One tree of errors. Each has the exit code of the command line and the status of the HTTP face.

LiveoakError                 70  500   a fault of ours
├── UserError                 2  400   the request cannot be meant as it stands
│   ├── BadLesson             2  400   empty, or over its budget
│   ├── BadDocument           2  400   empty, binary or unreadable
│   ├── BadSettings           2  400   an option or settings file
│   ├── NotAllowed            2  403   for teachers only
│   └── LicenceNotAccepted    2  400   a prior whose licence must be accepted first
├── NotFound                  3  404   an unknown prior, version, session, turn or lesson
├── Conflict                  4  409   port or home in use, a version that does not fit
├── Unavailable               5  503   no network, no server, shutting down
│   └── Overloaded            5  429   the queue is full
├── StorageError              6  507   disk full, corrupt store or download
└── LearningError             7  422   an update that diverged or changed nothing
"""


class LiveoakError(Exception):
    """Root of all errors that liveoak raises on purpose."""

    exit_code = 70
    status = 500


class UserError(LiveoakError):
    exit_code = 2
    status = 400


class BadLesson(UserError):
    pass


class BadDocument(UserError):
    pass


class BadSettings(UserError):
    pass


class NotAllowed(UserError):
    status = 403


class LicenceNotAccepted(UserError):
    pass


class NotFound(LiveoakError):
    exit_code = 3
    status = 404


class Conflict(LiveoakError):
    exit_code = 4
    status = 409


class Unavailable(LiveoakError):
    exit_code = 5
    status = 503


class Overloaded(Unavailable):
    status = 429


class StorageError(LiveoakError):
    exit_code = 6
    status = 507


class LearningError(LiveoakError):
    exit_code = 7
    status = 422


class WorldError(LiveoakError):
    exit_code = 8
    status = 502
