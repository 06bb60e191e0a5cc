/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "base/text.h"
#include "cli/progress.h"

#define MEBIBYTE ((uint64_t)1 << 20)

static const struct progress_picture half = {
    .done = 512 * MEBIBYTE, .total = 1024 * MEBIBYTE, .rate = 256.0 * MEBIBYTE, .width = 80};

static const char *render(const struct progress_picture *picture)
{
    static char line[1024];
    progress_render(picture, line, sizeof line);
    return line;
}

static void the_line_says_what_there_is_to_say(void **state)
{
    (void)state;
    assert_string_equal(render(&half), "[#########          ]  50%  512.00 MB / 1.00 GB  "
                                       "256.00 MB/s  0:02 left");
}

static void colour_is_only_where_it_is_wanted(void **state)
{
    (void)state;
    struct progress_picture picture = half;
    assert_null(strchr(render(&picture), '\033'));
    picture.colour = true;
    assert_non_null(strstr(render(&picture), "[\033[32m#########\033[0m "));
    unsigned columns = progress_columns(render(&picture));
    picture.colour = false;
    assert_int_equal(progress_columns(render(&picture)), columns);
}

/* Also with a name of wide characters, whichever part of it fits. */
static void no_line_is_wider_than_its_terminal(void **state)
{
    (void)state;
    static const char *const names[] = {NULL, "", "/short",
                                        "/観測所/気圧/時間ごとの値/とても長い名前のデータセット",
                                        "/network/stations/number/0123456789/temperature/hourly"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        for (unsigned width = 0; width <= 300; width++) {
            struct progress_picture picture = half;
            picture.current = names[i];
            picture.width = width;
            picture.utf8 = picture.colour = width % 2;
            const char *line = render(&picture);
            assert_true(progress_columns(line) <= (width ? width - 1 : 0));
            assert_true(cshm_utf8_valid(line, strlen(line)));
            picture.total = 0;
            assert_true(progress_columns(render(&picture)) <= (width ? width - 1 : 0));
        }
    }
}

static void the_end_of_a_long_name_is_kept(void **state)
{
    (void)state;
    struct progress_picture picture = half;
    picture.width = 100;
    picture.current = "/network/stations/temperature";
    assert_null(strstr(render(&picture), "/network"));
    assert_non_null(strstr(render(&picture), "  ..."));
    assert_non_null(strstr(render(&picture), "ture"));
    picture.width = 160;
    assert_non_null(strstr(render(&picture), "  /network/stations/temperature"));
    picture.current = "/größe";
    assert_non_null(strstr(render(&picture), "  /gr??e"));
    picture.utf8 = true;
    assert_non_null(strstr(render(&picture), "  /größe"));
}

static void wide_characters_are_cut_whole(void **state)
{
    (void)state;
    if (wcwidth(L'観') != 2)
        skip();
    assert_int_equal(progress_columns("観測"), 4);
    struct progress_picture picture = half;
    picture.utf8 = true;
    picture.current = "/観測所観測所観測所観測所観測所観測所観測所観測所観測所観測所";
    for (unsigned width = 90; width < 110; width++) {
        picture.width = width;
        const char *mark = strstr(render(&picture), "  …");
        assert_true(!mark || progress_columns(render(&picture)) >= width - 2);
    }
}

static void the_rate_is_of_late(void **state)
{
    (void)state;
    struct progress_speed speed = {0};
    /* Ten seconds of walking are no part of it. */
    progress_speed_add(&speed, 10, 0);
    assert_true(speed.rate == 0);
    uint64_t done = 0;
    double seconds = 10;
    for (int i = 0; i < 100; i++)
        progress_speed_add(&speed, seconds += 0.1, done += 100);
    assert_true(speed.rate > 990 && speed.rate < 1010);
    for (int i = 0; i < 200; i++)
        progress_speed_add(&speed, seconds += 0.1, done += 10);
    assert_true(speed.rate > 95 && speed.rate < 110);
    for (int i = 0; i < 200; i++)
        progress_speed_add(&speed, seconds += 0.1, done);
    assert_true(speed.rate >= 0 && speed.rate < 5);
}

static void one_pause_does_not_stop_the_rate(void **state)
{
    (void)state;
    struct progress_speed speed = {0};
    for (int i = 0; i <= 100; i++)
        progress_speed_add(&speed, i * 0.1, (uint64_t)i * 100);
    progress_speed_add(&speed, 10.5, 10000);
    assert_true(speed.rate > 800 && speed.rate < 1000);
}

static void a_clock_or_count_that_goes_back_is_passed_over(void **state)
{
    (void)state;
    struct progress_speed speed = {0};
    progress_speed_add(&speed, 1, 100);
    progress_speed_add(&speed, 1, 100);
    progress_speed_add(&speed, 0.5, 200);
    progress_speed_add(&speed, 2, 50);
    assert_true(speed.rate == 0);
    progress_speed_add(&speed, 2, 200);
    assert_true(speed.rate > 99 && speed.rate < 101);
}

static void the_time_left_is_told_when_it_can_be(void **state)
{
    (void)state;
    struct progress_picture picture = half;
    picture.rate = 0;
    assert_null(strstr(render(&picture), "left"));
    picture.rate = 1.0 * MEBIBYTE / 60;
    assert_non_null(strstr(render(&picture), "8:32:00 left"));
    picture.rate = 1;
    assert_null(strstr(render(&picture), "left"));
    picture.done = picture.total * 2;
    assert_non_null(strstr(render(&picture), "100%"));
    assert_non_null(strstr(render(&picture), "0:00 left"));
}

int main(void)
{
    if (!setlocale(LC_CTYPE, "C.UTF-8"))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_line_says_what_there_is_to_say),
        cmocka_unit_test(colour_is_only_where_it_is_wanted),
        cmocka_unit_test(no_line_is_wider_than_its_terminal),
        cmocka_unit_test(the_end_of_a_long_name_is_kept),
        cmocka_unit_test(wide_characters_are_cut_whole),
        cmocka_unit_test(the_rate_is_of_late),
        cmocka_unit_test(one_pause_does_not_stop_the_rate),
        cmocka_unit_test(a_clock_or_count_that_goes_back_is_passed_over),
        cmocka_unit_test(the_time_left_is_told_when_it_can_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
