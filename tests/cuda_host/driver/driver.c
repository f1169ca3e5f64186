/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Nothing of it is called. */
typedef int sana_no_function;
