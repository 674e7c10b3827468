/* Stands between the exported functions and the applet's own. */
#include "applet.h"

#include <stdlib.h>

/* Those that the applet does not define. */
#define OPTIONAL __attribute__((weak))

OPTIONAL bool applet_on_install(applet_hook_error *error) {
    (void)error;
    return true;
}

OPTIONAL bool applet_on_upgrade(applet_text from_version, applet_hook_error *error) {
    (void)from_version;
    (void)error;
    return true;
}

OPTIONAL bool applet_on_uninstall(applet_hook_error *error) {
    (void)error;
    return true;
}

OPTIONAL bool applet_on_enable(applet_hook_error *error) {
    (void)error;
    return true;
}

OPTIONAL bool applet_on_disable(applet_hook_error *error) {
    (void)error;
    return true;
}

OPTIONAL bool applet_call(applet_text name, applet_text payload, applet_text *answer, applet_hook_error *error) {
    (void)payload;
    (void)answer;
    return applet_no_such_hook(name, error);
}

bool applet_fail(applet_hook_error *error, applet_text code, applet_text message) {
    *error = (applet_hook_error){applet_copy(code), applet_copy(message)};
    return false;
}

bool applet_fail_with(applet_hook_error *failure, applet_error *error) {
    const applet_detail *detail = applet_detail_of(error);
    applet_fail(failure, detail->code, detail->message);
    applet_error_free(error);
    return false;
}

bool applet_no_such_hook(applet_text name, applet_hook_error *error) {
    static const char BEFORE[] = "there is no hook `";
    size_t before = sizeof BEFORE - 1;
    applet_text message = {malloc(before + name.len + 1), before + name.len + 1};
    if (message.ptr == NULL) {
        abort();
    }
    memcpy(message.ptr, BEFORE, before);
    memcpy(message.ptr + before, name.ptr, name.len);
    message.ptr[before + name.len] = '`';
    *error = (applet_hook_error){applet_copy(applet_string("no-such-hook")), message};
    return false;
}

bool exports_applet_host_on_install_run(exports_applet_host_on_install_hook_error_t *error) {
    return applet_on_install(error);
}

bool exports_applet_host_on_upgrade_run(bindings_string_t *from_version,
                                        exports_applet_host_on_upgrade_hook_error_t *error) {
    bool done = applet_on_upgrade(*from_version, error);
    bindings_string_free(from_version);
    return done;
}

bool exports_applet_host_on_uninstall_run(exports_applet_host_on_uninstall_hook_error_t *error) {
    return applet_on_uninstall(error);
}

bool exports_applet_host_on_enable_run(exports_applet_host_on_enable_hook_error_t *error) {
    return applet_on_enable(error);
}

bool exports_applet_host_on_disable_run(exports_applet_host_on_disable_hook_error_t *error) {
    return applet_on_disable(error);
}

bool exports_applet_host_named_hooks_call(bindings_string_t *name, bindings_string_t *payload, bindings_string_t *answer,
                                          exports_applet_host_named_hooks_hook_error_t *error) {
    bool done = applet_call(*name, *payload, answer, error);
    bindings_string_free(name);
    bindings_string_free(payload);
    return done;
}
