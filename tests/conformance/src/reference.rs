//! Reference pages of transforms, predicates and converters, printed from what they declare.

use millstream_config::{ConfigDef, PluginDefs, PluginDirectory, PluginKind, reference_page};

/// Pages by their file below the workspace.
pub fn pages(directory: &PluginDirectory) -> Vec<(&'static str, String)> {
    let mut transforms = "# Transforms and predicates\n".to_owned();
    let mut seen: Vec<(String, ConfigDef)> = Vec::new();
    for kind in [PluginKind::Transform, PluginKind::Predicate] {
        for plugin in directory.of_kind(kind) {
            // The classes for keys and values have one section.
            let class = plugin.class.replace("$Key", "").replace("$Value", "");
            if seen.iter().any(|(known, def)| *known == class && *def == plugin.config) {
                continue;
            }
            let sides = if class == plugin.class { "" } else { ", as `$Key` and `$Value`" };
            section(&mut transforms, &class, &format!("`{class}`{sides}. {}", plugin.documentation), &plugin.config);
            seen.push((class, plugin.config.clone()));
        }
    }
    let mut converters = "# Converters\n".to_owned();
    for definition in millstream_convert::definitions() {
        let role = if definition.converts_data { "Keys, values and headers" } else { "Headers" };
        let introduction = format!("`{}`. {role}. {}", definition.class, definition.documentation);
        let config = millstream_convert::config_def(definition.class).unwrap_or_default();
        section(&mut converters, definition.class, &introduction, &config);
    }
    vec![("transforms/reference.md", transforms), ("host/convert/reference.md", converters)]
}

fn section(page: &mut String, class: &str, introduction: &str, config: &ConfigDef) {
    let title = class.rsplit('.').next().unwrap_or(class);
    page.push('\n');
    if config.keys().is_empty() {
        page.push_str(&format!("## {title}\n\n{introduction}\n\nIt has no keys.\n"));
    } else {
        page.push('#');
        page.push_str(&reference_page(title, introduction, config));
    }
}
