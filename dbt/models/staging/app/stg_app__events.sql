{{ staging_events(source("raw", "app_events"), "app") }}
