/* SPDX-License-Identifier: MIT */
#include "herald.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/names.h"
#include "base/scope.h"
#include "log.h"
#include "sight.h"

enum { PAUSE_NANOSECONDS = 1000 * 1000, ORDERS_MAX = 100 * 1000 };

enum order_kind { ORDER_ENTRY, ORDER_ATTRIBUTES, ORDER_SIDECAR_GONE };

struct herald_order {
    struct herald_order *next;
    enum order_kind kind;
    struct inode *directory; /* held, or NULL */
    struct inode *inode;     /* held, or NULL */
    time_t posted;           /* CLOCK_MONOTONIC */
    char name[];             /* of ORDER_SIDECAR_GONE: of the array */
};

/* --- Orders -------------------------------------------------------------------------------------
 */

void herald_init(struct herald *herald, struct inode_table *inodes, struct ghosts *ghosts)
{
    *herald = (struct herald){.inodes = inodes, .ghosts = ghosts};
    herald->last = &herald->first;
    (void)pthread_mutex_init(&herald->lock, NULL);
    (void)pthread_cond_init(&herald->wake, NULL);
}

static void destroy_order(struct herald *herald, struct herald_order *order)
{
    if (order->inode)
        inode_drop(herald->inodes, order->inode, 1);
    if (order->directory)
        inode_drop(herald->inodes, order->directory, 1);
    free(order);
}

static void hold(struct herald *herald, struct inode *inode)
{
    if (inode)
        inode_hold(herald->inodes, inode);
}

static time_t seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

/* Whether it was put into the queue. What is in it already need not be there twice. */
static bool enqueue(struct herald *herald, struct herald_order *order, bool urgent)
{
    bool taken = herald->running && herald->count < ORDERS_MAX && !herald->everything &&
                 !(order->kind == ORDER_ATTRIBUTES && order->inode->announced);
    herald->everything |= herald->count >= ORDERS_MAX;
    herald->urgent |= urgent;
    if (taken) {
        if (order->kind == ORDER_ATTRIBUTES)
            order->inode->announced = true;
        *herald->last = order;
        herald->last = &order->next;
        herald->count++;
    }
    (void)pthread_cond_signal(&herald->wake);
    return taken;
}

static void post(struct herald *herald, enum order_kind kind, struct inode *directory,
                 const char *name, struct inode *inode, bool urgent)
{
    size_t length = name ? strlen(name) : 0;
    struct herald_order *order = calloc(1, sizeof *order + length + 1);
    if (!order) {
        herald_everything(herald);
        return;
    }
    order->kind = kind;
    order->posted = seconds();
    order->directory = directory;
    order->inode = inode;
    if (name)
        memcpy(order->name, name, length);
    hold(herald, directory);
    hold(herald, inode);
    (void)pthread_mutex_lock(&herald->lock);
    bool taken = enqueue(herald, order, urgent);
    (void)pthread_mutex_unlock(&herald->lock);
    if (!taken)
        destroy_order(herald, order);
}

void herald_entry(struct herald *herald, struct inode *directory, const char *name,
                  struct inode *inode)
{
    post(herald, ORDER_ENTRY, directory, name, inode, true);
}

void herald_attributes(struct herald *herald, struct inode *inode)
{
    post(herald, ORDER_ATTRIBUTES, NULL, NULL, inode, true);
}

void herald_attributes_later(struct herald *herald, struct inode *inode)
{
    post(herald, ORDER_ATTRIBUTES, NULL, NULL, inode, false);
}

void herald_sidecar_gone(struct herald *herald, struct inode *directory, const char *stem,
                         struct inode *inode)
{
    post(herald, ORDER_SIDECAR_GONE, directory, stem, inode, false);
}

void herald_everything(struct herald *herald)
{
    (void)pthread_mutex_lock(&herald->lock);
    herald->everything = herald->urgent = true;
    (void)pthread_cond_signal(&herald->wake);
    (void)pthread_mutex_unlock(&herald->lock);
}

/* --- Sending ------------------------------------------------------------------------------------
 * No lock is held here. An error says that the kernel does not know the thing, or is gone itself.
 */

static bool is_greeted(struct herald *herald)
{
    (void)pthread_mutex_lock(&herald->lock);
    bool greeted = herald->greeted;
    (void)pthread_mutex_unlock(&herald->lock);
    return greeted;
}

static void drop_name(const struct herald *herald, const struct inode *directory, const char *name)
{
    fuse_ino_t id = inode_id(herald->inodes, directory);
    (void)fuse_lowlevel_notify_inval_entry(herald->session, id, name, strlen(name));
}

static void drop_attributes(struct herald *herald, const struct inode *inode)
{
    if (inode->kind == INODE_ROOT && !is_greeted(herald))
        return;
    fuse_ino_t id = inode_id(herald->inodes, inode);
    /* Of views the kernel caches the bytes, too: all of them, from 0 on. */
    off_t bytes = inode->kind == INODE_NPY ? 0 : -1;
    (void)fuse_lowlevel_notify_inval_inode(herald->session, id, bytes, 0);
}

void herald_now(struct herald *herald, const struct inode *inode)
{
    drop_attributes(herald, inode);
}

void herald_listing(struct herald *herald, const struct inode *directory)
{
    fuse_ino_t id = inode_id(herald->inodes, directory);
    (void)fuse_lowlevel_notify_inval_inode(herald->session, id, 0, 0);
}

/* Answers that are under way about what is in the directory have arrived after this. */
static void let_answers_arrive(const struct herald *herald, const struct inode *directory)
{
    drop_name(herald, directory, "/");
}

/* `*settled` is the directory that was waited for last. */
static void send_attributes(struct herald *herald, const struct inode *inode,
                            const struct inode **settled)
{
    if (inode->kind != INODE_ROOT) {
        struct inode *parent = inode_hold_parent(herald->inodes, inode);
        if (parent != *settled)
            let_answers_arrive(herald, parent);
        *settled = parent;
        inode_drop(herald->inodes, parent, 1);
    }
    drop_attributes(herald, inode);
}

static void send_sidecar_gone(struct herald *herald, const struct herald_order *order)
{
    char name[CSHM_FSNAME_MAX + sizeof ENTRIES_META];
    size_t length = strlen(order->name);
    bool late = seconds() > order->posted; /* and the ghost may be gone by itself */
    if (length > CSHM_FSNAME_MAX ||
        (!late && !ghost_walks(herald->ghosts, order->directory, cshm_text(order->name))))
        return;
    memcpy(name, order->name, length);
    memcpy(name + length, ENTRIES_META, sizeof ENTRIES_META);
    drop_name(herald, order->directory, name);
    if (order->inode)
        drop_attributes(herald, order->inode);
}

static void send_orders(struct herald *herald, struct herald_order *orders)
{
    const struct inode *settled = NULL;
    while (orders) {
        struct herald_order *order = orders;
        orders = order->next;
        if (order->kind == ORDER_ATTRIBUTES) {
            send_attributes(herald, order->inode, &settled);
        } else if (order->kind == ORDER_SIDECAR_GONE) {
            send_sidecar_gone(herald, order);
        } else {
            drop_name(herald, order->directory, order->name);
            if (order->inode)
                drop_attributes(herald, order->inode);
        }
        destroy_order(herald, order);
    }
}

/* An epoch drops all names at once; attributes, and names where there are no epochs, one by one. */
static void send_everything(struct herald *herald)
{
    struct inode **inodes;
    size_t count;
    bool names = libfuse_increment_epoch(herald->session) == 0;
    if (inode_find_all(herald->inodes, &inodes, &count) < 0)
        return;
    log_debug("the kernel is told to ask anew about %zu objects", count);
    for (size_t i = 0; i < count; i++) {
        struct inode *parent = inode_hold_parent(herald->inodes, inodes[i]);
        char name[CSHM_FSNAME_MAX + sizeof ENTRIES_META];
        if (!names && sight_spell(herald->inodes, inodes[i], name))
            drop_name(herald, parent, name);
        drop_attributes(herald, inodes[i]);
        inode_drop(herald->inodes, parent, 1);
        inode_drop(herald->inodes, inodes[i], 1);
    }
    drop_attributes(herald, &herald->inodes->root);
    free(inodes);
}

/* The queue is empty then. The lock is held. */
static struct herald_order *take(struct herald *herald)
{
    struct herald_order *orders = herald->first;
    for (struct herald_order *order = orders; order; order = order->next)
        if (order->kind == ORDER_ATTRIBUTES)
            order->inode->announced = false;
    herald->first = NULL;
    herald->last = &herald->first;
    herald->count = 0;
    herald->urgent = false;
    return orders;
}

static void pause_a_moment(struct herald *herald)
{
    (void)pthread_mutex_unlock(&herald->lock);
    (void)nanosleep(&(struct timespec){.tv_nsec = PAUSE_NANOSECONDS}, NULL);
    (void)pthread_mutex_lock(&herald->lock);
}

static void *run(void *argument)
{
    struct herald *herald = argument;
    (void)pthread_setname_np(pthread_self(), "herald");
    (void)pthread_mutex_lock(&herald->lock);
    while (!herald->stopping) {
        if (!herald->first && !herald->everything) {
            (void)pthread_cond_wait(&herald->wake, &herald->lock);
            continue;
        }
        if (!herald->urgent)
            pause_a_moment(herald);
        bool everything = herald->everything;
        struct herald_order *orders = take(herald);
        herald->everything = false;
        (void)pthread_mutex_unlock(&herald->lock);
        if (everything)
            send_everything(herald);
        send_orders(herald, orders);
        (void)pthread_mutex_lock(&herald->lock);
    }
    (void)pthread_mutex_unlock(&herald->lock);
    return NULL;
}

/* --- Its life -----------------------------------------------------------------------------------
 */

int herald_start(struct herald *herald, struct fuse_session *session)
{
    herald->session = session;
    herald->running = true;
    int result = -pthread_create(&herald->thread, NULL, run, herald);
    herald->running = result == 0;
    return result;
}

void herald_greet(struct herald *herald)
{
    (void)pthread_mutex_lock(&herald->lock);
    herald->greeted = true;
    (void)pthread_mutex_unlock(&herald->lock);
    herald_attributes(herald, &herald->inodes->root); /* what was not told until now */
}

void herald_stop(struct herald *herald)
{
    (void)pthread_mutex_lock(&herald->lock);
    bool running = herald->running;
    herald->running = false;
    herald->stopping = true;
    (void)pthread_cond_signal(&herald->wake);
    (void)pthread_mutex_unlock(&herald->lock);
    if (running)
        (void)pthread_join(herald->thread, NULL);
}

void herald_finish(struct herald *herald)
{
    struct herald_order *orders = take(herald);
    while (orders) {
        struct herald_order *order = orders;
        orders = order->next;
        destroy_order(herald, order);
    }
    (void)pthread_cond_destroy(&herald->wake);
    (void)pthread_mutex_destroy(&herald->lock);
}
