/* SPDX-License-Identifier: MIT */
#include "hdf5/links.h"

#include <errno.h>
#include <stdlib.h>

struct collecting {
    struct cshm_loader *loader;
    struct cshm_links *links;
    int error; /* of our own; libhdf5 only hears that it is to stop */
};

static struct cshm_link *add(struct collecting *collecting, const char *name)
{
    struct cshm_links *links = collecting->links;
    cshm_loader_beat(collecting->loader);
    if (links->count == links->capacity) {
        size_t capacity = links->capacity ? links->capacity * 2 : 16;
        struct cshm_link *grown = reallocarray(links->links, capacity, sizeof *grown);
        if (!grown)
            return NULL;
        links->links = grown;
        links->capacity = capacity;
    }
    struct cshm_link *link = &links->links[links->count];
    *link = (struct cshm_link){.name = cshm_arena_string(&links->names, name, strlen(name))};
    if (!link->name)
        return NULL;
    links->count++;
    return link;
}

static int stop(struct collecting *collecting, int error)
{
    collecting->error = error;
    return -1;
}

/* No group can have more children than a project may have nodes. */
static int check_count(struct collecting *collecting)
{
    return collecting->links->count > CSHM_NODES_MAX ? stop(collecting, -EMFILE) : 0;
}

static herr_t take_link(hid_t group, const char *name, const cshm_h5_link_info *info, void *context)
{
    (void)group;
    struct collecting *collecting = context;
    struct cshm_link *link = add(collecting, name);
    if (!link)
        return stop(collecting, -ENOMEM);
    link->type = info->type;
    if (info->type == H5L_TYPE_HARD)
        cshm_h5_link_token(info, link->token);
    return check_count(collecting);
}

static herr_t take_attribute(hid_t object, const char *name, const H5A_info_t *info, void *context)
{
    (void)object;
    (void)info;
    struct collecting *collecting = context;
    return add(collecting, name) ? check_count(collecting) : stop(collecting, -ENOMEM);
}

static int finish(struct collecting *collecting, herr_t status, const char *what)
{
    if (collecting->error == -EMFILE)
        return cshm_loader_fail_all(collecting->loader, -EMFILE, "more than %d %s", CSHM_NODES_MAX,
                                    what);
    if (collecting->error < 0)
        return cshm_loader_fail_all(collecting->loader, collecting->error, "out of memory");
    return status < 0 ? cshm_loader_fail_h5(collecting->loader, "%s cannot be listed", what) : 0;
}

static H5_index_t index_of(herr_t asked, unsigned order)
{
    return asked >= 0 && (order & H5P_CRT_ORDER_TRACKED) ? H5_INDEX_CRT_ORDER : H5_INDEX_NAME;
}

int cshm_links_read(struct cshm_loader *loader, hid_t group, struct cshm_links *out)
{
    CSHM_AUTO_HID hid_t creation = H5Gget_create_plist(group);
    unsigned order = 0;
    herr_t asked = creation < 0 ? -1 : H5Pget_link_creation_order(creation, &order);
    struct collecting collecting = {.loader = loader, .links = out};
    herr_t status = cshm_h5_links_iterate(group, index_of(asked, order), H5_ITER_INC, NULL,
                                          take_link, &collecting);
    return finish(&collecting, status, "links");
}

int cshm_links_read_attributes(struct cshm_loader *loader, hid_t object, H5O_type_t type,
                               struct cshm_links *out)
{
    CSHM_AUTO_HID hid_t creation =
        type == H5O_TYPE_GROUP ? H5Gget_create_plist(object) : H5Dget_create_plist(object);
    unsigned order = 0;
    herr_t asked = creation < 0 ? -1 : H5Pget_attr_creation_order(creation, &order);
    struct collecting collecting = {.loader = loader, .links = out};
    herr_t status =
        H5Aiterate2(object, index_of(asked, order), H5_ITER_INC, NULL, take_attribute, &collecting);
    return finish(&collecting, status, "attributes");
}

void cshm_links_finish(struct cshm_links *links)
{
    free(links->links);
    cshm_arena_finish(&links->names);
    *links = (struct cshm_links){0};
}
