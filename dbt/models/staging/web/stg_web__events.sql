{{ staging_events(source("raw", "web_events"), "web") }}
