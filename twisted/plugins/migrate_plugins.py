from twisted.application.service import ServiceMaker

migrateServer = ServiceMaker(
    "Migration server",
    "migrate.tapserver",
    "Publish services that can be moved, live, to another process.",
    "migrate-server",
)

migrateClient = ServiceMaker(
    "Migration client",
    "migrate.tapclient",
    "Take live services over from a migration server, and publish them in turn.",
    "migrate-client",
)

migrateManager = ServiceMaker(
    "Migration manager",
    "migrate.manager.tap",
    "Keep services running, and have new processes take them over.",
    "migrate-manager",
)
