/* SPDX-License-Identifier: Apache-2.0 */
/* SQLite's own file system, with two of its calls watched. */
#include "store/fault_test.h"

#include <pthread.h>
#include <sqlite3.h>

#include "base/base.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static enum fault fault;
static int after, left, failed;
static sqlite3_vfs shim;

/* SQLite has a table of calls per kind of locking; the log's file and the database's differ. */
static struct {
	const sqlite3_io_methods *real;
	sqlite3_io_methods watched;
} tables[4];

static bool fails(enum fault kind)
{
	bool yes = false;

	pthread_mutex_lock(&lock);
	if (fault == kind && after > 0) {
		after--;
	} else if (fault == kind && left != 0) {
		left -= left > 0;
		failed++;
		yes = true;
	}
	pthread_mutex_unlock(&lock);
	return yes;
}

static const sqlite3_io_methods *real(sqlite3_file *file)
{
	size_t i = 0;

	while (file->pMethods != &tables[i].watched) {
		i++;
		ensure(i < ARRAY_LEN(tables));
	}
	return tables[i].real;
}

static int on_write(sqlite3_file *file, const void *p, int n, sqlite3_int64 at)
{
	return fails(FAULT_FULL) ? SQLITE_FULL : real(file)->xWrite(file, p, n, at);
}

static int on_sync(sqlite3_file *file, int flags)
{
	return fails(FAULT_SYNC) ? SQLITE_IOERR_FSYNC : real(file)->xSync(file, flags);
}

static int on_map(sqlite3_file *file, int region, int bytes, int extend, void volatile **out)
{
	return region > 0 && extend != 0 && fails(FAULT_INDEX)
		       ? SQLITE_IOERR_SHMSIZE
		       : real(file)->xShmMap(file, region, bytes, extend, out);
}

static void watch(sqlite3_file *file)
{
	size_t i = 0;

	while (tables[i].real != NULL && tables[i].real != file->pMethods) {
		i++;
		ensure(i < ARRAY_LEN(tables));
	}
	if (tables[i].real == NULL) {
		tables[i].real = file->pMethods;
		tables[i].watched = *file->pMethods;
		tables[i].watched.xWrite = on_write;
		tables[i].watched.xSync = on_sync;
		tables[i].watched.xShmMap = file->pMethods->iVersion >= 2 ? on_map : NULL;
	}
	file->pMethods = &tables[i].watched;
}

static int on_open(sqlite3_vfs *vfs UNUSED, const char *name, sqlite3_file *file, int flags,
		   int *out)
{
	sqlite3_vfs *below = shim.pAppData;
	int code = below->xOpen(below, name, file, flags, out);

	pthread_mutex_lock(&lock);
	if (code == SQLITE_OK) {
		watch(file);
	}
	pthread_mutex_unlock(&lock);
	return code;
}

void fault_install(void)
{
	sqlite3_vfs *below = sqlite3_vfs_find(NULL);

	if (below == &shim) {
		return;
	}
	shim = *below;
	shim.zName = "fault";
	shim.pAppData = below;
	shim.xOpen = on_open;
	ensure(sqlite3_vfs_register(&shim, 1) == SQLITE_OK);
}

void fault_set(enum fault kind, int after_n, int n)
{
	pthread_mutex_lock(&lock);
	fault = kind;
	after = after_n;
	left = n;
	failed = 0;
	pthread_mutex_unlock(&lock);
}

int fault_count(void)
{
	int n;

	pthread_mutex_lock(&lock);
	n = failed;
	pthread_mutex_unlock(&lock);
	return n;
}
