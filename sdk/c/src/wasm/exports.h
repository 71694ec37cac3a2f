/* What the exports have in common. */
#ifndef MS_EXPORTS_H
#define MS_EXPORTS_H

#include "lower.h"

#define SOURCE(name) exports_millstream_connect_source_api_##name
#define SINK(name) exports_millstream_connect_sink_api_##name

/* The host's configuration as settings, which point into it. */
ms_settings ms_settings_of(ms_arena *arena, const millstream_connect_types_config_t *config);
/* The failure of a finished call, and its end. Returns false, as every export does that failed. */
bool ms_gave_up(ms_instance *instance, millstream_connect_types_error_t *err);
/* The end of a call that went well. */
bool ms_done(ms_instance *instance);
/* Configurations of tasks in memory of the host's. */
void ms_give_configs(const ms_task_configs *configs, millstream_connect_types_config_t **ptr, size_t *len);
void ms_give_outcome(const ms_outcome *outcome, ms_arena *arena, millstream_connect_types_outcome_t *out);

static inline ms_str ms_lent(const c_plugin_string_t *text) { return ms_lent_text(text); }

#endif
