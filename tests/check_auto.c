/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which device "auto" is.  The environment says what there is (LD_LIBRARY_PATH: a driver's library,
 * SANA_MODULE_PATH: a module) and SANA_EXPECT what then comes out: a device's name, or a part of
 * the sentence that says why there is none.
 */
#include <gmodule.h>
#include <string.h>

#include "kernels/device.h"

static void
auto_is_what_the_machine_has(void)
{
    const char *expected = g_getenv("SANA_EXPECT");
    GError *error = NULL;
    if (!expected) {
        GModule *driver = g_module_open("libcuda.so.1", G_MODULE_BIND_LAZY);
        if (driver) {
            g_module_close(driver);
            g_test_skip("this machine has a driver");
            return;
        }
        expected = "cpu";
    }
    SanaDevice *dev = sana_device_open("auto", &error);
    if (dev) {
        g_assert_cmpstr(sana_device_name(dev), ==, expected);
    } else {
        g_test_message("%s", error->message);
        g_assert_error(error, SANA_DEVICE_ERROR, SANA_DEVICE_ERROR_MISSING);
        g_assert_nonnull(strstr(error->message, expected));
        g_clear_error(&error);
    }
    sana_device_unref(dev);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/auto/is-what-the-machine-has", auto_is_what_the_machine_has);
    return g_test_run();
}
