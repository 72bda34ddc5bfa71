/* A stand-in for libnvidia-ml.so.1, for machines without an NVIDIA driver.
 *
 * It has the functions podd calls, with the layouts of NVIDIA's nvml.h, and takes its GPUs from a text
 * file that is read again at every call: a test changes the hardware while podd runs. Replace the file by
 * renaming another one over it, so that no call sees half of it.
 *
 *   gcc -shared -fPIC -O1 -Wl,-soname,libnvidia-ml.so.1 -o DIR/libnvidia-ml.so.1 fake_nvml.c -lpthread
 *   LD_LIBRARY_PATH=DIR FAKE_NVML_CONFIG=FILE podd ...
 *
 * The file, one setting a line:
 *
 *   cuda 12040             the driver's CUDA version: 12.4
 *   init_error 9           nvmlInit fails: 9 driver not loaded, 18 driver and library do not match
 *   hang 1                 calls do not return until this is 0 again
 *   gpu uuid=GPU-... name=NVIDIA_RTX_A6000 mem=51539607552 used=0 util=0 err=0 mig=0 ecc=0 remap=0
 *       milliwatts=25000 celsius=40                                       (on the same line)
 *   mig card=GPU-... uuid=MIG-... gi=1 slices=1 compute=1 mem=10200547328 used=0
 *   event 1 uuid=GPU-... xid=79 gi=4294967295
 *
 * In a name "_" is a blank; mem and used are bytes, util is percent. err makes every call about that GPU
 * fail with this code: 15 lost (not even a handle), 16 needs a reset, 999 unknown. Without the file the
 * driver counts as not loaded. A GPU whose line is gone is lost for those who still hold its handle. mig=1
 * turns MIG on, with the instances of the mig lines. An event is told once to each event set made before
 * the event's number was first seen; without xid it is a double-bit memory error.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { /* nvmlReturn_t */
    SUCCESS = 0,
    UNINITIALIZED = 1,
    INVALID_ARGUMENT = 2,
    NOT_SUPPORTED = 3,
    NOT_FOUND = 6,
    INSUFFICIENT_SIZE = 7,
    DRIVER_NOT_LOADED = 9,
    TIMEOUT = 10,
    GPU_IS_LOST = 15,
};

#define MAX_GPUS 32
#define TEXT 96

typedef struct {
    char uuid[TEXT], name[TEXT];
    unsigned long long mem, used;
    unsigned util, milliwatts, celsius;
    int err, mig, remap;
    unsigned long long ecc;
    char card[TEXT]; /* of a MIG instance; its slices follow */
    unsigned gi, slices, compute;
} gpu_t;

typedef struct {
    unsigned number, xid, gi;
    char uuid[TEXT];
} event_t;

typedef struct {
    int cuda, init_error, hang;
    unsigned count; /* of cards */
    gpu_t gpus[MAX_GPUS];
    unsigned instance_count;
    gpu_t instances[MAX_GPUS];
    unsigned event_count;
    event_t events[MAX_GPUS];
} machine_t;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static machine_t machine; /* as of the last look into the file */
static int users;         /* nvmlInit minus nvmlShutdown */

/* A handle is 1 + a place in here, so it keeps its meaning when other GPUs come and go. */
static char known[MAX_GPUS][TEXT];
static unsigned known_count;

/* ---- the file ---- */

static void copy(char *to, const char *from)
{
    snprintf(to, TEXT, "%s", from);
}

static void set_gpu(gpu_t *gpu, const char *key, const char *value)
{
    if (!strcmp(key, "uuid")) {
        copy(gpu->uuid, value);
    } else if (!strcmp(key, "name")) {
        copy(gpu->name, value);
        for (char *c = gpu->name; *c; c++)
            if (*c == '_')
                *c = ' ';
    } else if (!strcmp(key, "mem")) {
        gpu->mem = strtoull(value, NULL, 10);
    } else if (!strcmp(key, "used")) {
        gpu->used = strtoull(value, NULL, 10);
    } else if (!strcmp(key, "util")) {
        gpu->util = (unsigned)atoi(value);
    } else if (!strcmp(key, "err")) {
        gpu->err = atoi(value);
    } else if (!strcmp(key, "mig")) {
        gpu->mig = atoi(value);
    } else if (!strcmp(key, "ecc")) {
        gpu->ecc = strtoull(value, NULL, 10);
    } else if (!strcmp(key, "remap")) {
        gpu->remap = atoi(value);
    } else if (!strcmp(key, "milliwatts")) {
        gpu->milliwatts = (unsigned)atoi(value);
    } else if (!strcmp(key, "celsius")) {
        gpu->celsius = (unsigned)atoi(value);
    } else if (!strcmp(key, "card")) {
        copy(gpu->card, value);
    } else if (!strcmp(key, "gi")) {
        gpu->gi = (unsigned)strtoul(value, NULL, 10);
    } else if (!strcmp(key, "slices")) {
        gpu->slices = (unsigned)atoi(value);
    } else if (!strcmp(key, "compute")) {
        gpu->compute = (unsigned)atoi(value);
    }
}

static void set_all(gpu_t *gpu, char **rest)
{
    for (char *word; (word = strtok_r(NULL, " \t\r\n", rest));) {
        char *value = strchr(word, '=');
        if (value) {
            *value++ = 0;
            set_gpu(gpu, word, value);
        }
    }
}

static void read_instance(machine_t *m, char **rest)
{
    gpu_t *instance = &m->instances[m->instance_count];

    if (m->instance_count == MAX_GPUS)
        return;
    instance->slices = instance->compute = 1;
    set_all(instance, rest);
    m->instance_count++;
}

static void read_event(machine_t *m, char **rest)
{
    event_t *event = &m->events[m->event_count];
    char *word = strtok_r(NULL, " \t\r\n", rest);

    if (m->event_count == MAX_GPUS || !word)
        return;
    event->gi = 0xFFFFFFFF;
    event->number = (unsigned)atoi(word);
    while ((word = strtok_r(NULL, " \t\r\n", rest))) {
        if (!strncmp(word, "uuid=", 5))
            copy(event->uuid, word + 5);
        else if (!strncmp(word, "xid=", 4))
            event->xid = (unsigned)atoi(word + 4);
        else if (!strncmp(word, "gi=", 3))
            event->gi = (unsigned)strtoul(word + 3, NULL, 10);
    }
    m->event_count++;
}

static void read_line(machine_t *m, char *line)
{
    char *rest;
    char *key = strtok_r(line, " \t\r\n", &rest);

    if (!key || *key == '#')
        return;
    if (!strcmp(key, "mig")) {
        read_instance(m, &rest);
        return;
    }
    if (!strcmp(key, "event")) {
        read_event(m, &rest);
        return;
    }
    if (strcmp(key, "gpu")) {
        char *value = strtok_r(NULL, " \t\r\n", &rest);
        int number = value ? atoi(value) : 0;
        if (!strcmp(key, "cuda"))
            m->cuda = number;
        else if (!strcmp(key, "init_error"))
            m->init_error = number;
        else if (!strcmp(key, "hang"))
            m->hang = number;
        return;
    }
    if (m->count == MAX_GPUS)
        return;
    gpu_t *gpu = &m->gpus[m->count];
    copy(gpu->name, "NVIDIA Fake GPU");
    gpu->mem = 24ull << 30;
    gpu->milliwatts = 25000;
    gpu->celsius = 40;
    set_all(gpu, &rest);
    if (*gpu->uuid)
        m->count++;
}

static void remember(const char *uuid)
{
    for (unsigned i = 0; i < known_count; i++)
        if (!strcmp(known[i], uuid))
            return;
    if (known_count < MAX_GPUS)
        copy(known[known_count++], uuid);
}

static void look(void)
{
    const char *path = getenv("FAKE_NVML_CONFIG");
    FILE *file = path ? fopen(path, "r") : NULL;
    machine_t now = {.cuda = 12040};
    char line[1024];

    if (file) {
        while (fgets(line, sizeof line, file))
            read_line(&now, line);
        fclose(file);
    } else {
        now.init_error = DRIVER_NOT_LOADED;
    }
    machine = now;
    for (unsigned i = 0; i < now.count; i++)
        remember(now.gpus[i].uuid);
    for (unsigned i = 0; i < now.instance_count; i++)
        remember(now.instances[i].uuid);
}

/* ---- what every call does first and last ---- */

static int begin(void)
{
    pthread_mutex_lock(&mutex);
    look();
    while (machine.hang) {
        pthread_mutex_unlock(&mutex);
        usleep(5000);
        pthread_mutex_lock(&mutex);
        look();
    }
    return users ? SUCCESS : UNINITIALIZED;
}

static int end(int result)
{
    pthread_mutex_unlock(&mutex);
    return result;
}

/* The GPU behind a handle, or NULL and the error of this call in *result. */
static gpu_t *gpu_of(void *handle, int *result)
{
    size_t place = (size_t)handle;

    if (*result != SUCCESS)
        return NULL;
    if (!place || place > known_count) {
        *result = INVALID_ARGUMENT;
        return NULL;
    }
    for (unsigned i = 0; i < machine.count; i++) {
        gpu_t *gpu = &machine.gpus[i];
        if (!strcmp(gpu->uuid, known[place - 1])) {
            *result = gpu->err;
            return gpu->err ? NULL : gpu;
        }
    }
    for (unsigned i = 0; i < machine.instance_count; i++)
        if (!strcmp(machine.instances[i].uuid, known[place - 1]))
            return &machine.instances[i];
    *result = GPU_IS_LOST;
    return NULL;
}

static void *handle_of(const gpu_t *gpu)
{
    for (size_t i = 0; i < known_count; i++)
        if (!strcmp(known[i], gpu->uuid))
            return (void *)(i + 1);
    return NULL;
}

static int give(char *buffer, unsigned size, const char *text)
{
    if (strlen(text) + 1 > size)
        return INSUFFICIENT_SIZE;
    strcpy(buffer, text);
    return SUCCESS;
}

/* ---- NVML ---- */

int nvmlInitWithFlags(unsigned flags)
{
    (void)flags;
    begin();
    if (machine.init_error == SUCCESS)
        users++;
    return end(machine.init_error);
}

int nvmlShutdown(void)
{
    int result = begin();
    if (result == SUCCESS)
        users--;
    return end(result);
}

const char *nvmlErrorString(int code)
{
    switch (code) {
    case SUCCESS: return "Success";
    case GPU_IS_LOST: return "GPU is lost";
    default: return "Unknown Error";
    }
}

int nvmlSystemGetCudaDriverVersion(int *version)
{
    int result = begin();
    if (result == SUCCESS)
        *version = machine.cuda;
    return end(result);
}

int nvmlDeviceGetCount_v2(unsigned *count)
{
    int result = begin();
    if (result == SUCCESS)
        *count = machine.count;
    return end(result);
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle)
{
    int result = begin();
    if (result == SUCCESS && index >= machine.count)
        result = INVALID_ARGUMENT;
    if (result == SUCCESS && machine.gpus[index].err == GPU_IS_LOST)
        result = GPU_IS_LOST;
    if (result == SUCCESS)
        *handle = handle_of(&machine.gpus[index]);
    return end(result);
}

int nvmlDeviceGetName(void *handle, char *name, unsigned size)
{
    int result = begin();
    gpu_t *gpu = gpu_of(handle, &result);
    return end(gpu ? give(name, size, gpu->name) : result);
}

int nvmlDeviceGetUUID(void *handle, char *uuid, unsigned size)
{
    int result = begin();
    gpu_t *gpu = gpu_of(handle, &result);
    return end(gpu ? give(uuid, size, gpu->uuid) : result);
}

int nvmlDeviceGetMemoryInfo(void *handle, unsigned long long memory[3]) /* nvmlMemory_t: total, free, used */
{
    int result = begin();
    gpu_t *gpu = gpu_of(handle, &result);
    if (gpu) {
        memory[0] = gpu->mem;
        memory[1] = gpu->mem - gpu->used;
        memory[2] = gpu->used;
    }
    return end(result);
}

int nvmlDeviceGetUtilizationRates(void *handle, unsigned rates[2]) /* nvmlUtilization_t: gpu, memory */
{
    int result = begin();
    gpu_t *gpu = gpu_of(handle, &result);
    if (gpu && *gpu->card)
        return end(NOT_SUPPORTED);
    if (gpu) {
        rates[0] = gpu->util;
        rates[1] = 0;
    }
    return end(result);
}

int nvmlDeviceGetPowerUsage(void *handle, unsigned *milliwatts)
{
    int result = begin();
    gpu_t *gpu = gpu_of(handle, &result);
    if (gpu)
        *milliwatts = gpu->milliwatts;
    return end(result);
}

int nvmlDeviceGetTemperature(void *handle, int sensor, unsigned *celsius)
{
    int result = begin();
    gpu_t *gpu = gpu_of(handle, &result);
    if (gpu && sensor)
        return end(INVALID_ARGUMENT);
    if (gpu)
        *celsius = gpu->celsius;
    return end(result);
}

int nvmlDeviceGetTotalEccErrors(void *handle, int type, int counter, unsigned long long *count)
{
    int result = begin();
    gpu_t *gpu = gpu_of(handle, &result);
    if (gpu)
        *count = type == 1 && counter == 0 ? gpu->ecc : 0; /* uncorrected, volatile */
    return end(result);
}

int nvmlDeviceGetRemappedRows(void *handle, unsigned *corrected, unsigned *uncorrected, unsigned *pending,
                              unsigned *failed)
{
    int result = begin();
    gpu_t *gpu = gpu_of(handle, &result);
    if (gpu) {
        *corrected = *uncorrected = *pending = 0;
        *failed = (unsigned)gpu->remap;
    }
    return end(result);
}

/* ---- MIG ---- */

int nvmlDeviceGetMigMode(void *handle, unsigned *current, unsigned *pending)
{
    int result = begin();
    gpu_t *gpu = gpu_of(handle, &result);
    if (gpu)
        *current = *pending = (unsigned)gpu->mig;
    return end(result);
}

int nvmlDeviceGetMaxMigDeviceCount(void *handle, unsigned *count)
{
    int result = begin();
    if (gpu_of(handle, &result))
        *count = 7;
    return end(result);
}

/* As on real cards, instance ids have gaps. */
int nvmlDeviceGetMigDeviceHandleByIndex(void *handle, unsigned index, void **instance)
{
    int result = begin();
    gpu_t *gpu = gpu_of(handle, &result);

    for (unsigned i = 0, place = 0; gpu && i < machine.instance_count; i++) {
        if (strcmp(machine.instances[i].card, gpu->uuid))
            continue;
        if (2 * place++ == index) {
            *instance = handle_of(&machine.instances[i]);
            return end(SUCCESS);
        }
    }
    return end(gpu ? NOT_FOUND : result);
}

int nvmlDeviceGetGpuInstanceId(void *handle, unsigned *id)
{
    int result = begin();
    gpu_t *gpu = gpu_of(handle, &result);
    if (gpu)
        *id = gpu->gi;
    return end(result);
}

typedef struct { /* nvmlDeviceAttributes_t */
    unsigned multiprocessors, copies, decoders, encoders, jpegs, ofas, gpu_slices, compute_slices;
    unsigned long long memory_mb;
} attributes_t;

int nvmlDeviceGetAttributes_v2(void *handle, attributes_t *attributes)
{
    int result = begin();
    gpu_t *gpu = gpu_of(handle, &result);
    if (gpu) {
        memset(attributes, 0, sizeof *attributes);
        attributes->gpu_slices = gpu->slices;
        attributes->compute_slices = gpu->compute;
        attributes->memory_mb = gpu->mem >> 20;
    }
    return end(result);
}

/* ---- Events ---- */

typedef struct {
    unsigned told; /* the number of the last event it was told */
} set_t;

typedef struct { /* nvmlEventData_t */
    void *device;
    unsigned long long type, data;
    unsigned gpu_instance, compute_instance;
} event_data_t;

static unsigned last_event(void)
{
    return machine.event_count ? machine.events[machine.event_count - 1].number : 0;
}

int nvmlEventSetCreate(set_t **set)
{
    int result = begin();
    if (result == SUCCESS) {
        *set = malloc(sizeof **set);
        (*set)->told = last_event();
    }
    return end(result);
}

int nvmlEventSetFree(set_t *set)
{
    free(set);
    return SUCCESS;
}

int nvmlDeviceRegisterEvents(void *handle, unsigned long long types, set_t *set)
{
    int result = begin();
    (void)types;
    (void)set;
    gpu_of(handle, &result);
    return end(result);
}

static int next_event(set_t *set, event_data_t *data)
{
    for (unsigned i = 0; i < machine.event_count; i++) {
        event_t *event = &machine.events[i];
        if (event->number <= set->told)
            continue;
        gpu_t device;
        copy(device.uuid, event->uuid);
        set->told = event->number;
        data->device = handle_of(&device);
        data->type = event->xid ? 8 : 2;
        data->data = event->xid;
        data->gpu_instance = data->compute_instance = event->gi;
        return SUCCESS;
    }
    return TIMEOUT;
}

int nvmlEventSetWait_v2(set_t *set, event_data_t *data, unsigned timeout)
{
    for (unsigned waited = 0;; waited += 5) {
        int result = begin();
        if (result == SUCCESS)
            result = next_event(set, data);
        end(result);
        if (result != TIMEOUT || waited >= timeout)
            return result;
        usleep(5000);
    }
}
