// SPDX-License-Identifier: MIT
// sample FILE: writes the HDF5 file that scripts/up shows. In C because libhdf5 is here for
// building anyway. What it holds: a matrix with units, a vector, a compressed dataset in a group, a
// table, text and number attributes.
#include <hdf5.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static hid_t must(hid_t id, const char *what)
{
    if (id < 0) {
        fprintf(stderr, "sample: %s failed\n", what);
        exit(1);
    }
    return id;
}

static void text_attribute(hid_t object, const char *name, const char *text)
{
    hid_t type = must(H5Tcopy(H5T_C_S1), "H5Tcopy");
    H5Tset_size(type, strlen(text));
    H5Tset_strpad(type, H5T_STR_NULLPAD);
    H5Tset_cset(type, H5T_CSET_UTF8);
    hid_t space = must(H5Screate(H5S_SCALAR), "H5Screate");
    hid_t attribute = must(H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT), name);
    must(H5Awrite(attribute, type, text), name);
    H5Aclose(attribute);
    H5Sclose(space);
    H5Tclose(type);
}

static void numbers_attribute(hid_t object, const char *name, hsize_t count, const double *numbers)
{
    hid_t space = must(H5Screate_simple(1, &count, NULL), "H5Screate_simple");
    hid_t attribute =
        must(H5Acreate2(object, name, H5T_IEEE_F64LE, space, H5P_DEFAULT, H5P_DEFAULT), name);
    must(H5Awrite(attribute, H5T_NATIVE_DOUBLE, numbers), name);
    H5Aclose(attribute);
    H5Sclose(space);
}

// Chunked and compressed when `deflate`; the file's type is the memory's.
static hid_t dataset(hid_t parent, const char *name, hid_t type, int rank, const hsize_t *dims,
                     int deflate, const void *data)
{
    hid_t space = must(H5Screate_simple(rank, dims, NULL), "H5Screate_simple");
    hid_t layout = must(H5Pcreate(H5P_DATASET_CREATE), "H5Pcreate");
    if (deflate) {
        H5Pset_chunk(layout, rank, dims);
        H5Pset_shuffle(layout);
        H5Pset_deflate(layout, 6);
    }
    hid_t set = must(H5Dcreate2(parent, name, type, space, H5P_DEFAULT, layout, H5P_DEFAULT), name);
    must(H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data), name);
    H5Pclose(layout);
    H5Sclose(space);
    return set;
}

static void temperature(hid_t file)
{
    static double celsius[24][4];
    for (int hour = 0; hour < 24; hour++)
        for (int place = 0; place < 4; place++)
            celsius[hour][place] =
                round(10 * (12 + 2 * place - 8 * cos(hour * 3.14159265 / 12))) / 10;
    hid_t set = dataset(file, "temperature", H5T_NATIVE_DOUBLE, 2, (hsize_t[]){24, 4}, 0, celsius);
    text_attribute(set, "units", "degC");
    text_attribute(set, "long_name", "air temperature by hour and station");
    numbers_attribute(set, "valid_range", 2, (double[]){-40, 60});
    H5Dclose(set);
}

static void visitors(hid_t file)
{
    H5Dclose(dataset(file, "visitors", H5T_NATIVE_INT32, 1, (hsize_t[]){7}, 0,
                     (int[]){120, 96, 101, 133, 150, 310, 295}));
}

static void pressure(hid_t group)
{
    static float hectopascal[64][64];
    for (int y = 0; y < 64; y++)
        for (int x = 0; x < 64; x++)
            hectopascal[y][x] = (float)(1013 + 3 * sin(x * 0.1) * cos(y * 0.1));
    hid_t set =
        dataset(group, "pressure", H5T_NATIVE_FLOAT, 2, (hsize_t[]){64, 64}, 1, hectopascal);
    text_attribute(set, "units", "hPa");
    H5Dclose(set);
}

static void stations(hid_t group)
{
    struct station {
        int id;
        double lat, lon;
        char name[8];
    } table[] = {{1, 47.38, 8.54, "Zurich"}, {2, 46.2, 6.14, "Geneva"}, {3, 46.0, 8.95, "Lugano"}};
    hid_t name = must(H5Tcopy(H5T_C_S1), "H5Tcopy");
    H5Tset_size(name, sizeof table->name);
    H5Tset_strpad(name, H5T_STR_NULLPAD);
    hid_t type = must(H5Tcreate(H5T_COMPOUND, sizeof *table), "H5Tcreate");
    H5Tinsert(type, "id", HOFFSET(struct station, id), H5T_NATIVE_INT);
    H5Tinsert(type, "lat", HOFFSET(struct station, lat), H5T_NATIVE_DOUBLE);
    H5Tinsert(type, "lon", HOFFSET(struct station, lon), H5T_NATIVE_DOUBLE);
    H5Tinsert(type, "name", HOFFSET(struct station, name), name);
    H5Dclose(dataset(group, "stations", type, 1, (hsize_t[]){3}, 0, table));
    H5Tclose(type);
    H5Tclose(name);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: sample FILE\n");
        return 2;
    }
    hid_t file = must(H5Fcreate(argv[1], H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), argv[1]);
    text_attribute(file, "title", "A day of weather");
    temperature(file);
    visitors(file);
    hid_t group =
        must(H5Gcreate2(file, "network", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), "network");
    text_attribute(group, "operator", "nobody in particular");
    stations(group);
    pressure(group);
    H5Gclose(group);
    must(H5Fclose(file), argv[1]);
    return 0;
}
