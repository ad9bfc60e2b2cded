/*
 * The power that the simulated hardware draws, again and again, in step with the wall clock: STEP(milliseconds, watts at the
 * begin, watts at the end). The module integrates it in whole microjoules; kernel_test.go reads this file and integrates it
 * by itself. The sum of the times is the wave's period.
 */
STEP(400, 65, 65)   /* idle */
STEP(300, 180, 180) /* a step */
STEP(50, 420, 420)  /* a spike, about as short as an interval of 47 ms */
STEP(450, 120, 120)
STEP(400, 80, 240)  /* a ramp */
STEP(137, 95, 95)   /* makes the period no multiple of an interval */

/*
 * PART(powercap's number of the domain, device of package 0, device of package 1, perf's event, per cent of the wave's
 * power, milliseconds by which it runs ahead). Package 1 draws PACKAGE1 per cent of that, SHIFT1 milliseconds ahead.
 */
PART(0, "cpu:0", "cpu:1", "energy-pkg", 100, 0)
PART(1, "core:0", "core:1", "energy-cores", 70, 0)
PART(2, "uncore:0", "uncore:1", "energy-gpu", 12, 100)
PART(3, "dram:0", "dram:1", "energy-ram", 25, 350)
PART(4, "psys", "psys:1", "energy-psys", 230, 0)
