/* A PKCS#11 module that hands everything on to the one that HSM_MODULE names, but counts logins and signatures and makes them fail as a
   file in the folder HSM_FAULTS says. A module in software has no faults of its own: no cable that is pulled, no link that is lost. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned long rv;

/* CK_FUNCTION_LIST: a version, and 68 functions in the order of PKCS#11 2.40. */
struct list { void *version; void *function[68]; };
enum { LOGIN = 18, SIGN = 43 };

static struct list real, ours;

static int read_fault(const char *name, long *value) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", getenv("HSM_FAULTS"), name);
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    int found = fscanf(file, "%li", value) == 1;
    fclose(file);
    if (found) unlink(path);
    return found;
}

static void count(const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", getenv("HSM_FAULTS"), name);
    FILE *file = fopen(path, "a");
    if (file) { fputc('x', file); fclose(file); }
}

static rv login(unsigned long session, unsigned long user, unsigned char *pin, unsigned long length) {
    long fault;
    count("logins");
    if (read_fault("login", &fault)) return (rv)fault;
    return ((rv (*)(unsigned long, unsigned long, unsigned char *, unsigned long))real.function[LOGIN])(session, user, pin, length);
}

static rv sign(unsigned long session, unsigned char *data, unsigned long length, unsigned char *signature, unsigned long *signature_length) {
    long fault, milliseconds, spoilt;
    if (signature) {
        count("signatures");
        if (read_fault("sign", &fault)) return (rv)fault;
        if (read_fault("sleep", &milliseconds)) usleep((useconds_t)milliseconds * 1000);
    }
    rv result = ((rv (*)(unsigned long, unsigned char *, unsigned long, unsigned char *, unsigned long *))real.function[SIGN])
        (session, data, length, signature, signature_length);
    if (signature && read_fault("spoil", &spoilt)) signature[7] ^= 1;
    return result;
}

rv C_GetFunctionList(struct list **list) {
    if (!real.version) {
        void *module = dlopen(getenv("HSM_MODULE"), RTLD_NOW | RTLD_LOCAL);
        rv (*get)(struct list **) = module ? (rv (*)(struct list **))dlsym(module, "C_GetFunctionList") : NULL;
        struct list *found;
        if (!get || get(&found)) return 5;
        memcpy(&real, found, sizeof real);
        ours = real;
        ours.function[LOGIN] = (void *)login;
        ours.function[SIGN] = (void *)sign;
    }
    *list = &ours;
    return 0;
}
